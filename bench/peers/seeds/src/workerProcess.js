const connectDB = require('./db');
const startWorker = require('./worker');

async function main() {
  await connectDB();
  const worker = startWorker();
  await worker.waitUntilReady();
  console.log('Worker ready');

  // Finish the jobs in hand before the container stops.
  process.on('SIGTERM', async () => {
    await worker.close();
    process.exit(0);
  });
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
