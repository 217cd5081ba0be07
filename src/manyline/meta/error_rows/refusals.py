"""Errors of one message: its recipient cannot have it, or its content is not acceptable."""

from manyline.meta.error_rows.row import FLOW_HEALTH_PAGE, ErrorClass, ErrorRow

RECIPIENT_ROWS = (
    ErrorRow(
        code=130403,
        error_class=ErrorClass.RECIPIENT,
        meaning="Your business has blocked this person on WhatsApp, so nothing can be sent to"
        " them.",
        fix="Unblock them in WhatsApp Manager, or with Meta's block API, if you want to write to"
        " them; then replay the message.",
    ),
    ErrorRow(
        code=130472,
        error_class=ErrorClass.RECIPIENT,
        meaning="Meta did not deliver this marketing message because the recipient is in an"
        " experiment of Meta's that withholds them. It is not charged.",
        fix="Do not send it again: it would be withheld again. Reach this person another way, or"
        " answer when they write.",
    ),
    ErrorRow(
        code=130497,
        error_class=ErrorClass.RECIPIENT,
        meaning="This WhatsApp Business account may not write to people in the recipient's"
        " country, mostly because of what the business sells.",
        fix="See in WhatsApp's Business Messaging Policy where your line of business is allowed."
        " Other countries are not affected.",
    ),
    ErrorRow(
        code=131021,
        error_class=ErrorClass.RECIPIENT,
        meaning="The recipient is the business number itself.",
        fix="Send to another number.",
    ),
    ErrorRow(
        code=131026,
        error_class=ErrorClass.RECIPIENT,
        meaning="The message cannot be delivered to this recipient: the number is not on WhatsApp,"
        " the app is too old, or its owner has not accepted WhatsApp's current terms. Meta does"
        " not say which.",
        fix="Check the number. Ask the person by another way to update WhatsApp and to write to"
        " your number first; then replay the message.",
    ),
    ErrorRow(
        code=131030,
        error_class=ErrorClass.RECIPIENT,
        meaning="A test number of Meta's may write only to the recipients on its list, and this"
        " one is not on it.",
        fix="Add the recipient to the list under the Meta app's WhatsApp API Setup, or use a"
        " number of your own.",
    ),
    ErrorRow(
        code=131047,
        error_class=ErrorClass.RECIPIENT,
        meaning="The recipient's last message is more than 24 hours old, or they never wrote."
        " Outside that window WhatsApp takes templates only.",
        fix="Send an approved template. Once they answer, you can write freely for 24 hours again.",
    ),
    ErrorRow(
        code=131050,
        error_class=ErrorClass.RECIPIENT,
        meaning="The recipient has told WhatsApp that they want no marketing messages from your"
        " business.",
        fix="Respect it: send them no more marketing. Utility and authentication templates and"
        " replies still reach them.",
    ),
    ErrorRow(
        code=131062,
        error_class=ErrorClass.RECIPIENT,
        meaning="The message was addressed to a business-scoped user id, but this kind of message"
        " (one-time codes, for instance) goes to phone numbers only.",
        fix="Send it to the person's phone number. If you do not know it, ask them for it.",
    ),
)

CONTENT_ROWS = (
    ErrorRow(
        code=100,
        error_class=ErrorClass.CONTENT,
        meaning="Meta found a parameter that it does not know, that is misspelt or not allowed;"
        " the details name it. It also answers so when the phoneNumberId does not exist or the"
        " token may not use it.",
        fix="Correct what the details name and send anew. If they say that the object does not"
        " exist, check the tenant's phoneNumberId and what its access token may use.",
    ),
    ErrorRow(
        code=131008,
        error_class=ErrorClass.CONTENT,
        meaning="The message lacks a part that Meta requires; the details name it.",
        fix="Add what is missing and send a new message.",
    ),
    ErrorRow(
        code=131009,
        error_class=ErrorClass.CONTENT,
        meaning="A value in the message is not one that Meta accepts; the details name it.",
        fix="Correct the value and send a new message. Also check that the recipient's number is"
        " complete, with its country code.",
    ),
    ErrorRow(
        code=131051,
        error_class=ErrorClass.CONTENT,
        meaning="Meta does not take messages of this type.",
        fix="Send it as one of the types in Meta's reference (text, image, template, and so on).",
    ),
    ErrorRow(
        code=131052,
        error_class=ErrorClass.CONTENT,
        meaning="A media file could not be downloaded. For a file that a customer sent, the"
        " download from WhatsApp failed.",
        fix="For your own file, check that its link opens without a login, or upload it and send"
        " its id. For a customer's file, ask them to send it again.",
    ),
    ErrorRow(
        code=131053,
        error_class=ErrorClass.CONTENT,
        meaning="The media file could not be uploaded to WhatsApp: its format or size is not"
        " supported, its type does not fit what was declared, or its host did not hand it out.",
        fix="Check format and size against Meta's list. Upload the file and send its id, which"
        " does not depend on a host.",
    ),
    ErrorRow(
        code=131055,
        error_class=ErrorClass.CONTENT,
        meaning="Meta does not allow this message by this way, for instance anything but a"
        " marketing template over the Marketing Messages API. The details say which.",
        fix="Send it the way that Meta's reference gives for this kind of message.",
    ),
    ErrorRow(
        code=131063,
        error_class=ErrorClass.CONTENT,
        meaning="Marketing templates are switched off for the Cloud API in this account, so they"
        " pass only over the Marketing Messages API.",
        fix="Switch them on in WhatsApp Manager, or send marketing over the Marketing Messages"
        " API.",
    ),
    ErrorRow(
        code=132000,
        error_class=ErrorClass.CONTENT,
        meaning="The message gives the template more or fewer values than it has variables.",
        fix="Give one value for each variable of the approved template, and send a new message.",
    ),
    ErrorRow(
        code=132001,
        error_class=ErrorClass.CONTENT,
        meaning="The template does not exist under this name in this language, or it is not"
        " approved.",
        fix="Compare name and language code with WhatsApp Manager (en and en_US are different). A"
        " template approved minutes ago may need a little time.",
    ),
    ErrorRow(
        code=132005,
        error_class=ErrorClass.CONTENT,
        meaning="With its values filled in, the template's text is too long.",
        fix="Shorten the values, or the template's translation in WhatsApp Manager.",
    ),
    ErrorRow(
        code=132007,
        error_class=ErrorClass.CONTENT,
        meaning="The template's content breaks one of WhatsApp's rules for templates.",
        fix="See in WhatsApp Manager why it was rejected, change it and have it approved again.",
    ),
    ErrorRow(
        code=132012,
        error_class=ErrorClass.CONTENT,
        meaning="A value has not the form that the template's variable expects, for instance text"
        " where an image or a currency belongs.",
        fix="Give the values in the forms that the approved template defines, and send a new"
        " message.",
    ),
    ErrorRow(
        code=132015,
        error_class=ErrorClass.CONTENT,
        meaning="Meta has paused the template for low quality: too many recipients blocked or"
        " reported it.",
        fix="Improve the template in WhatsApp Manager or wait for the pause to end, then replay"
        " the message.",
    ),
    ErrorRow(
        code=132016,
        error_class=ErrorClass.CONTENT,
        meaning="Meta has disabled the template for good, after it was paused too often for low"
        " quality.",
        fix="Make a new template with other content, have it approved, and send with that one.",
    ),
    ErrorRow(
        code=132018,
        error_class=ErrorClass.CONTENT,
        meaning="Something is wrong with the values given to the template; the details say what.",
        fix="Correct the values and send a new message.",
    ),
    ErrorRow(
        code=132068,
        error_class=ErrorClass.CONTENT,
        meaning="Meta has blocked the Flow in this message for poor health: it can be neither sent"
        " nor opened.",
        fix="Mend the Flow's endpoint; WhatsApp Manager shows what is amiss. When Meta has"
        " unblocked it, replay the message.",
        href=FLOW_HEALTH_PAGE,
    ),
    ErrorRow(
        code=134100,
        error_class=ErrorClass.CONTENT,
        meaning="The Marketing Messages API takes marketing templates only, and this template is"
        " of another category.",
        fix="Send it over the Cloud API, or choose a marketing template.",
    ),
    ErrorRow(
        code=134102,
        error_class=ErrorClass.CONTENT,
        meaning="The template cannot be used with the Marketing Messages API; the details say why.",
        fix="Look at the template in WhatsApp Manager, or send it over the Cloud API.",
    ),
    ErrorRow(
        code=135000,
        error_class=ErrorClass.CONTENT,
        meaning="Meta refused the message without a closer reason; something in the request is"
        " not as it should be.",
        fix="Compare the content with Meta's reference for its type. If it is right, open a ticket"
        " with Meta and give the fbtrace_id.",
    ),
)
