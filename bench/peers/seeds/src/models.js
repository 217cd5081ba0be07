const mongoose = require('mongoose');

const { Schema } = mongoose;

const tenantSchema = new Schema(
  {
    name: { type: String, required: true },
    phoneNumberId: { type: String, required: true, unique: true },
    wabaId: String,
    accessTokenEnc: { type: String, required: true },
    status: { type: String, default: 'active' },
  },
  { timestamps: true },
);

const customerSchema = new Schema(
  {
    tenantId: { type: Schema.Types.ObjectId, ref: 'Tenant', required: true },
    waId: { type: String, required: true },
    name: String,
    lastSeenAt: Date,
  },
  { timestamps: true },
);
customerSchema.index({ tenantId: 1, waId: 1 }, { unique: true });

const messageSchema = new Schema(
  {
    tenantId: { type: Schema.Types.ObjectId, ref: 'Tenant', required: true },
    conversationId: { type: Schema.Types.ObjectId, ref: 'Conversation' },
    direction: { type: String, enum: ['IN', 'OUT'], required: true },
    from: String,
    to: String,
    waMessageId: String,
    body: String,
    type: { type: String, default: 'text' },
    idempotencyKey: String,
    status: {
      type: String,
      enum: ['received', 'queued', 'sent', 'delivered', 'read', 'failed'],
      required: true,
    },
  },
  { timestamps: true },
);
messageSchema.index(
  { tenantId: 1, idempotencyKey: 1 },
  { unique: true, partialFilterExpression: { idempotencyKey: { $exists: true } } },
);
// Statuses find their message by it, and a webhook that Meta repeats is stored once.
messageSchema.index(
  { tenantId: 1, waMessageId: 1 },
  { unique: true, partialFilterExpression: { waMessageId: { $exists: true } } },
);

module.exports = {
  Tenant: mongoose.model('Tenant', tenantSchema),
  Customer: mongoose.model('Customer', customerSchema),
  Message: mongoose.model('Message', messageSchema),
};
