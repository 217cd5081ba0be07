const express = require('express');
const rawBody = require('./middlewares/rawBody');
const webhook = require('./webhook');
const { registerTenant } = require('./tenantService');
const { sendMessage, DUPLICATE_KEY } = require('./sendController');

const app = express();
app.use(rawBody);

app.get('/health', (req, res) => res.json({ ok: true }));

app.post('/tenants/register', async (req, res, next) => {
  try {
    const { name, phoneNumberId, accessToken } = req.body;
    if (!name || !phoneNumberId || !accessToken) {
      return res
        .status(400)
        .json({ ok: false, error: 'name, phoneNumberId and accessToken are required' });
    }
    const tenant = await registerTenant(req.body);
    return res.status(201).json({ ok: true, tenantId: tenant._id });
  } catch (err) {
    if (err.code === DUPLICATE_KEY) {
      return res.status(409).json({ ok: false, error: 'phoneNumberId is already registered' });
    }
    return next(err);
  }
});

app.post('/tenants/:tenantId/send', sendMessage);
app.use('/whatsapp/webhook', webhook);

// Express knows an error handler by its four arguments.
app.use((err, req, res, next) => {
  console.error(err.message);
  res.status(err.status || 500).json({ ok: false, error: 'request failed' });
});

module.exports = app;
