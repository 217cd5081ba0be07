// Run once by the MongoDB image, when its volume is empty: the user that api and worker log in as.
// It may read and write one database and nothing else.
db.getSiblingDB("pocdb").createUser({
  user: "manyline",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "pocdb" }],
});
