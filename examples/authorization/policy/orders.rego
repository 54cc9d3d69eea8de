# Considered for the orders: who changes one has to have signed in with a second factor.
package orders

default allow := false

allow if input.method == "GET"

allow if {
	input.method == "PUT"
	input.caller.jwt.mfa == "true"
}
