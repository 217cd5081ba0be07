const { Tenant } = require('./models');
const { encrypt, decrypt } = require('./utils/crypto');

function registerTenant({ name, phoneNumberId, wabaId, accessToken }) {
  return Tenant.create({ name, phoneNumberId, wabaId, accessTokenEnc: encrypt(accessToken) });
}

function findTenantByPhoneNumberId(phoneNumberId) {
  return Tenant.findOne({ phoneNumberId }).lean();
}

function findTenantById(tenantId) {
  return Tenant.findById(tenantId).lean();
}

function getAccessToken(tenant) {
  return decrypt(tenant.accessTokenEnc);
}

module.exports = { registerTenant, findTenantByPhoneNumberId, findTenantById, getAccessToken };
