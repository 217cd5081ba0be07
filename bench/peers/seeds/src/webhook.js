const crypto = require('crypto');
const express = require('express');
const { Customer, Message } = require('./models');
const { findTenantByPhoneNumberId } = require('./tenantService');
const { enqueueMessage, DUPLICATE_KEY } = require('./sendController');

const { APP_SECRET, VERIFY_TOKEN } = process.env;
const router = express.Router();

router.get('/', (req, res) => {
  const { 'hub.mode': mode, 'hub.verify_token': token, 'hub.challenge': challenge } = req.query;
  if (mode === 'subscribe' && token === VERIFY_TOKEN) return res.status(200).send(challenge);
  return res.sendStatus(403);
});

router.post('/', async (req, res) => {
  if (APP_SECRET && !hasValidSignature(req)) return res.sendStatus(401);
  try {
    for (const entry of req.body.entry || []) {
      for (const change of entry.changes || []) {
        await handleChange(change.value || {});
      }
    }
    return res.sendStatus(200);
  } catch (err) {
    console.error('webhook failed:', err.message);
    return res.sendStatus(500);
  }
});

function hasValidSignature(req) {
  const header = req.get('X-Hub-Signature-256') || '';
  const expected = `sha256=${crypto
    .createHmac('sha256', APP_SECRET)
    .update(req.rawBody || '')
    .digest('hex')}`;
  const given = Buffer.from(header);
  const wanted = Buffer.from(expected);
  return given.length === wanted.length && crypto.timingSafeEqual(given, wanted);
}

async function handleChange(value) {
  const phoneNumberId = value.metadata && value.metadata.phone_number_id;
  const tenant = phoneNumberId && (await findTenantByPhoneNumberId(phoneNumberId));
  if (!tenant) return;

  for (const message of value.messages || []) {
    const contact = (value.contacts || []).find((one) => one.wa_id === message.from);
    await handleMessage(tenant, message, contact);
  }
  for (const status of value.statuses || []) {
    await Message.updateOne(
      { tenantId: tenant._id, waMessageId: status.id },
      { $set: { status: status.status } },
    );
  }
}

async function handleMessage(tenant, message, contact) {
  const waId = message.from.startsWith('+') ? message.from : `+${message.from}`;
  const seen = { lastSeenAt: new Date() };
  if (contact && contact.profile) seen.name = contact.profile.name;
  await Customer.updateOne({ tenantId: tenant._id, waId }, { $set: seen }, { upsert: true });

  try {
    await Message.create({
      tenantId: tenant._id,
      direction: 'IN',
      from: waId,
      waMessageId: message.id,
      type: message.type,
      body: message.text && message.text.body,
      status: 'received',
    });
  } catch (err) {
    // Meta repeats webhooks; the reply below has a key of its own against doubles.
    if (err.code !== DUPLICATE_KEY) throw err;
  }

  await enqueueMessage({
    tenantId: tenant._id,
    to: waId,
    text: `thanks for reaching us\n- team ${tenant.name}`,
    idempotencyKey: `auto-reply:${message.id}`,
  });
}

module.exports = router;
