// JSON bodies, with the raw bytes kept for the webhook's signature. 3 MB is Meta's largest body.
const express = require('express');

module.exports = express.json({
  limit: '3mb',
  verify: (req, res, buf) => {
    req.rawBody = buf;
  },
});
