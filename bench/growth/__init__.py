"""Growth: is a full database as fast as an empty one?"""
