#!/bin/sh
# The quick test against a running system: register a tenant, play a customer, wait for the reply.
# `docker/try-it.sh [URL]`; needs curl. Ends with 0 when the reply is sent.
set -eu
url=${1:-http://127.0.0.1:3000}
number=$(date +%s)00000

post() {
    curl --fail-with-body --silent --show-error -H "Content-Type: application/json" -d "$2" "$url$1"
}

tenant=$(post /tenants/register \
    "{\"name\":\"Tenant A\",\"phoneNumberId\":\"$number\",\"accessToken\":\"mock_token_tenant_A\"}" |
    sed 's/.*"tenantId" *: *"\([^"]*\)".*/\1/')
post /whatsapp/webhook \
    "{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"$number\"},\"messages\":[{\"from\":\"+919111111111\",\"id\":\"wamid.$number\",\"type\":\"text\",\"text\":{\"body\":\"hi\"}}]}}]}]}" \
    >/dev/null

left=100
until messages=$(curl --fail --silent --show-error "$url/tenants/$tenant/messages") &&
    printf '%s' "$messages" | grep -q '"status" *: *"sent"'; do
    left=$((left - 1))
    if [ "$left" -eq 0 ]; then
        echo "no reply was sent within 20 s; the messages are: $messages" >&2
        exit 1
    fi
    sleep 0.2
done
echo "Tenant $tenant answered its customer."
