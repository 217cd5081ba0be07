// The board for the send queue, at http://HOST:PORT/. Jobs are wake-ups and hold ids only, so what
// it shows is no secret; it can retry and delete jobs, which costs seconds and never a message.
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import express from "express";

const { HOST = "0.0.0.0", PORT = "3001", REDIS_HOST, REDIS_PORT = "6379", REDIS_PASSWORD } = process.env;
if (!REDIS_HOST) {
  console.error("REDIS_HOST is not set: it is the host of the Redis or Valkey to show");
  process.exit(1);
}

const queue = new Queue("whatsapp-send-queue", {
  connection: { host: REDIS_HOST, port: Number(REDIS_PORT), password: REDIS_PASSWORD || undefined },
});
queue.on("error", (error) => console.error(`Redis: ${error.message}`));

const board = new ExpressAdapter();
createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: board });

const server = express()
  .use("/", board.getRouter())
  .listen(Number(PORT), HOST, () => {
    console.log(`bull-board is ready on port ${server.address().port}`);
  });

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => process.exit(0));
}
