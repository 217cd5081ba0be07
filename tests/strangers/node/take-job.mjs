// A BullMQ worker of Node: `take-job.mjs [fail-first]` takes one job of the send queue and ends when
// the job is completed. Prints what it was given, once per attempt. With `fail-first` the first
// attempt fails, so that the job's own retry options must work here too.
import { Worker } from "bullmq";

const failFirst = process.argv.includes("fail-first");
const attempts = [];

async function process_(job) {
  attempts.push({ id: job.id, name: job.name, data: job.data, attemptsMade: job.attemptsMade, options: job.opts });
  if (failFirst && job.attemptsMade === 0) throw new Error("the first attempt fails");
}

const worker = new Worker("whatsapp-send-queue", process_, {
  connection: {
    host: process.env.REDIS_HOST,
    port: Number(process.env.REDIS_PORT),
    maxRetriesPerRequest: null,
  },
});
worker.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
worker.on("completed", async () => {
  await worker.close();
  console.log(JSON.stringify(attempts));
});
