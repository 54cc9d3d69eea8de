/** The workloads of the example. */
export const WEB = 'spiffe://example.org/shop/web'
export const CHECKOUT = 'spiffe://example.org/shop/checkout'
export const LEDGER = 'spiffe://example.org/bank/ledger'
