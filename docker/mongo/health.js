// The health check of the MongoDB container: healthy is a primary that takes writes. The first time
// it makes the set, of this one member, whose name is the one under which other containers reach it.
// With MONGO_ROOT_PASSWORD it logs in first: a server with users lets nobody else do this.
const admin = db.getSiblingDB("admin");
if (process.env.MONGO_ROOT_PASSWORD) {
  admin.auth("root", process.env.MONGO_ROOT_PASSWORD);
}
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
}
// Right after that, or after a restart, a moment passes until it has elected itself.
for (let left = 40; !db.hello().isWritablePrimary; left--) {
  if (left === 0) {
    print("not primary yet");
    quit(1);
  }
  sleep(200);
}
