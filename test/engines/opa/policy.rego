package service

id := input.params.id

is_reader if {
	input.caller.id == "spiffe://example.org/acme/web"
	input.method == "GET"
	input.route == "/orders/:id"
}

# Undefined for whatever else.
allow if {
	is_reader
	id == "7"
}

allow := false if id == "forbidden"

allow := "true" if id == "text"

allow := 1 if id == "number"

allow := {"allow": true} if id == "object"

allow := null if id == "null"
