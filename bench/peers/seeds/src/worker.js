const http = require('http');
const https = require('https');
const axios = require('axios');
const { Worker } = require('bullmq');
const { Message } = require('./models');
const { findTenantById, getAccessToken } = require('./tenantService');
const { QUEUE_NAME } = require('./sendController');

const VERSION = process.env.WHATSAPP_API_VERSION || 'v20.0';
const CONCURRENCY = 50;

const graph = axios.create({
  baseURL: process.env.GRAPH_BASE_URL || 'https://graph.facebook.com',
  timeout: 15000,
  httpAgent: new http.Agent({ keepAlive: true }),
  httpsAgent: new https.Agent({ keepAlive: true }),
});

async function processJob(job) {
  const message = await Message.findById(job.data.messageId).lean();
  if (!message || message.status !== 'queued') return;
  const tenant = await findTenantById(message.tenantId);
  if (!tenant) throw new Error('tenant not found');

  const waMessageId = await sendText(tenant, message);
  await Message.updateOne({ _id: message._id }, { $set: { status: 'sent', waMessageId } });
}

async function sendText(tenant, message) {
  const token = getAccessToken(tenant);
  if (token.startsWith('mock_')) return `mock.${message._id}`;
  const { data } = await graph.post(
    `/${VERSION}/${tenant.phoneNumberId}/messages`,
    {
      messaging_product: 'whatsapp',
      to: message.to,
      type: 'text',
      text: { body: message.body },
    },
    { headers: { Authorization: `Bearer ${token}` } },
  );
  return data.messages[0].id;
}

function startWorker() {
  const worker = new Worker(QUEUE_NAME, processJob, {
    connection: {
      host: process.env.REDIS_HOST || 'localhost',
      port: Number(process.env.REDIS_PORT || 6379),
      maxRetriesPerRequest: null,
    },
    concurrency: CONCURRENCY,
  });
  worker.on('failed', async (job, err) => {
    console.error(`job ${job && job.id} failed: ${err.message}`);
    if (!job || job.attemptsMade < job.opts.attempts) return;
    try {
      await Message.updateOne(
        { _id: job.data.messageId, status: 'queued' },
        { $set: { status: 'failed' } },
      );
    } catch (error) {
      console.error('message not marked as failed:', error.message);
    }
  });
  worker.on('error', (err) => console.error('worker error:', err.message));
  return worker;
}

module.exports = startWorker;
