"""What developers run: the bootstrap script and the lint rules of this project."""
