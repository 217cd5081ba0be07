const app = require('./app');
const connectDB = require('./db');

const PORT = Number(process.env.PORT || 3000);

async function main() {
  await connectDB();
  app.listen(PORT, process.env.HOST, () => console.log(`API listening on port ${PORT}`));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
