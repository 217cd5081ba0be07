// A BullMQ producer of Node: `add-job.mjs NAME DATA` puts one job into the send queue.
import { Queue } from "bullmq";

const [name, data] = process.argv.slice(2);
const queue = new Queue("whatsapp-send-queue", {
  connection: { host: process.env.REDIS_HOST, port: Number(process.env.REDIS_PORT) },
});
const job = await queue.add(name, JSON.parse(data), { attempts: 5 });
await queue.close();
console.log(JSON.stringify({ id: job.id }));
