/** How many tokens a chain has at most. */
export const MAX_DEPTH = 4
/** Octets of `Svid-Chain`: within what proxies accept of one field line. */
export const MAX_CHAIN_OCTETS = 4096
/** Octets of `Svid-Chain-Certs`. */
export const MAX_CERTIFICATE_OCTETS = 7168
export const MAX_CERTIFICATES = 12
/** How long a token lives at most, in seconds. */
export const MAX_LIFETIME_SECONDS = 300
/** How long a token for a relayed request lives at most, in seconds. */
export const MAX_RELAYED_LIFETIME_SECONDS = 60
/** How many tokens for relayed requests are remembered, all of which can still be presented again. */
export const MAX_SINGLE_USES = 100_000
/** How many of them may be of one signer, so that one cannot keep the others out. */
export const MAX_SINGLE_USES_OF_ONE = 10_000
/** How far ahead of our clock that of a sender may be, in milliseconds. */
export const MAX_SKEW_MS = 30_000
