package envoy

attributes := input.attributes

id := attributes.contextExtensions["params.id"]

is_reader if {
	attributes.source.principal == "spiffe://example.org/acme/web"
	attributes.request.http.method == "GET"
	attributes.request.http.path == "/orders/{id}"
}

# Undefined for other orders: the plugin calls that an error.
allow if {
	is_reader
	id == "7"
}

allow := false if not is_reader

allow := false if id == "forbidden"

allow := "true" if id == "text"

allow := 1 if id == "number"

# The changes are for a proxy; here they change nothing.
allow := {"allowed": true, "headers": {"x-admin": "yes"}} if id == "mutating"

allow := {"allowed": false, "body": "no", "http_status": 402} if id == "answering"
