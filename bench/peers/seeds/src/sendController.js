// Outbound messages: a queued document in MongoDB, then a job for the worker.
const { randomUUID } = require('crypto');
const { Queue } = require('bullmq');
const { Message } = require('./models');
const { findTenantById } = require('./tenantService');

const QUEUE_NAME = 'whatsapp-send-queue';
const DUPLICATE_KEY = 11000;

const sendQueue = new Queue(QUEUE_NAME, {
  connection: {
    host: process.env.REDIS_HOST || 'localhost',
    port: Number(process.env.REDIS_PORT || 6379),
  },
  defaultJobOptions: {
    attempts: 5,
    backoff: { type: 'exponential', delay: 1000 },
    removeOnComplete: true,
    removeOnFail: 1000,
  },
});

async function enqueueMessage({ tenantId, to, text, idempotencyKey }) {
  let message;
  try {
    message = await Message.create({
      tenantId,
      direction: 'OUT',
      to,
      body: text,
      type: 'text',
      idempotencyKey,
      status: 'queued',
    });
  } catch (err) {
    if (err.code !== DUPLICATE_KEY) throw err;
    return Message.findOne({ tenantId, idempotencyKey }).lean();
  }
  await sendQueue.add('send', { messageId: message.id });
  return message;
}

async function sendMessage(req, res, next) {
  try {
    const { to, text } = req.body;
    if (!to || !text) return res.status(400).json({ ok: false, error: 'to and text are required' });
    const tenant = await findTenantById(req.params.tenantId);
    if (!tenant) return res.status(404).json({ ok: false, error: 'tenant not found' });

    const idempotencyKey = req.body.idempotency_key || randomUUID();
    const message = await enqueueMessage({ tenantId: tenant._id, to, text, idempotencyKey });
    return res.json({ ok: true, idempotency_key: idempotencyKey, messageId: message._id });
  } catch (err) {
    return next(err);
  }
}

module.exports = { QUEUE_NAME, DUPLICATE_KEY, enqueueMessage, sendMessage };
