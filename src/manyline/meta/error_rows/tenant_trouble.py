"""Errors that stop a whole tenant: its token, its account or its number needs a person."""

from manyline.meta.error_rows.row import ErrorClass, ErrorRow

PERMISSION_CODES = range(200, 300)
"""Graph's block of "permission missing" codes; they share one row's words."""

NEW_TOKEN = (
    "Make a new system user token with the permissions whatsapp_business_messaging and"  # noqa: S105
    " whatsapp_business_management, and PATCH the tenant's accessToken with it."
)

TOKEN_ROWS = (
    ErrorRow(
        code=0,
        error_class=ErrorClass.TOKEN,
        meaning="Meta does not accept the access token: it has expired, was revoked, or its owner"
        " no longer lets the app act for them.",
        fix=NEW_TOKEN,
    ),
    ErrorRow(
        code=3,
        error_class=ErrorClass.TOKEN,
        meaning="The Meta app lacks a capability or a permission that sending needs.",
        fix="See in Meta's Access Token Debugger what the token may do, give the app what is"
        " missing, then PATCH the tenant's accessToken with a new token.",
    ),
    ErrorRow(
        code=10,
        error_class=ErrorClass.TOKEN,
        meaning="The permission to send for this number was not given to the app, or was taken"
        " away again.",
        fix="In Meta's business settings, give the token's system user access to this WhatsApp"
        " account. " + NEW_TOKEN,
    ),
    ErrorRow(
        code=190,
        error_class=ErrorClass.TOKEN,
        meaning="The access token has expired or is not valid any more. The token shown in Meta's"
        " API Setup, for instance, lives for a day only.",
        fix=NEW_TOKEN,
    ),
    *(
        ErrorRow(
            code=code,
            error_class=ErrorClass.TOKEN,
            meaning="The access token lacks a permission that this call needs, or lost it.",
            fix="See in Meta's Access Token Debugger what the token may do. " + NEW_TOKEN,
        )
        for code in PERMISSION_CODES
    ),
    ErrorRow(
        code=131005,
        error_class=ErrorClass.TOKEN,
        meaning="Meta denies the token access to this number: the permission was not given, or"
        " was taken away.",
        fix="In Meta's business settings, give the token's system user access to this WhatsApp"
        " account. " + NEW_TOKEN,
    ),
)

ACCOUNT_ROWS = (
    ErrorRow(
        code=368,
        error_class=ErrorClass.ACCOUNT,
        meaning="Meta has restricted or disabled the WhatsApp Business account for breaking a"
        " policy.",
        fix="See Meta's notice under Account Quality in Business Manager, put the cause right or"
        " appeal; when the restriction is gone, set the tenant active again.",
    ),
    ErrorRow(
        code=131031,
        error_class=ErrorClass.ACCOUNT,
        meaning="Meta has locked the WhatsApp Business account: for breaking a policy, or because"
        " data in the request, such as the two-step PIN, did not match the account's.",
        fix="See Meta's notice under Account Quality in Business Manager and have the account"
        " unlocked; then set the tenant active again.",
    ),
    ErrorRow(
        code=131037,
        error_class=ErrorClass.ACCOUNT,
        meaning="The number was provided by WhatsApp, and its display name is not approved yet;"
        " until then it may not send.",
        fix="Have the display name approved in WhatsApp Manager, then set the tenant active again.",
    ),
    ErrorRow(
        code=131042,
        error_class=ErrorClass.ACCOUNT,
        meaning="Meta cannot charge this account: no payment method, a failed payment, a used up"
        " credit line, or time zone or currency not set.",
        fix="Put the billing right in Meta's Billing Hub, then set the tenant active again.",
    ),
    ErrorRow(
        code=134011,
        error_class=ErrorClass.ACCOUNT,
        meaning="Terms of service that this kind of message needs, such as those of WhatsApp"
        " Payments, have not been accepted for the account.",
        fix="Have an administrator of the business accept the terms named in the details, in"
        " WhatsApp Manager; then set the tenant active again.",
    ),
)

NUMBER_ROWS = (
    ErrorRow(
        code=33,
        error_class=ErrorClass.NUMBER,
        meaning="The business number no longer exists at Meta: it was deleted, or the"
        " phoneNumberId is wrong.",
        fix="Look the number up in WhatsApp Manager. If it is there, set the tenant active again;"
        " if not, add and register it, which gives it a new phoneNumberId and needs a new tenant.",
    ),
    ErrorRow(
        code=131045,
        error_class=ErrorClass.NUMBER,
        meaning="Meta cannot send from this number because its registration is not complete.",
        fix="Register the number again (POST /{phoneNumberId}/register with its two-step PIN),"
        " then set the tenant active again.",
    ),
    ErrorRow(
        code=133000,
        error_class=ErrorClass.NUMBER,
        meaning="An earlier deregistration of the number was not completed, so it can neither send"
        " nor be registered.",
        fix="Deregister the number once more (POST /{phoneNumberId}/deregister), register it, then"
        " set the tenant active again.",
    ),
    ErrorRow(
        code=133005,
        error_class=ErrorClass.NUMBER,
        meaning="The two-step PIN given for the number is not the right one.",
        fix="Register with the right PIN, or set a new one in WhatsApp Manager; then set the"
        " tenant active again.",
    ),
    ErrorRow(
        code=133006,
        error_class=ErrorClass.NUMBER,
        meaning="The number has to be verified by a code before it can be registered.",
        fix="Ask Meta for a code by SMS or call in WhatsApp Manager, enter it, register the"
        " number, then set the tenant active again.",
    ),
    ErrorRow(
        code=133010,
        error_class=ErrorClass.NUMBER,
        meaning="The number is not registered with the Cloud API.",
        fix="Register it (POST /{phoneNumberId}/register with its two-step PIN), then set the"
        " tenant active again.",
    ),
)
