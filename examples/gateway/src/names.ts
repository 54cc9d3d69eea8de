/** The workloads of the example: two of the shop, and one of a partner with a trust domain of its own. */
export const ORDERS = 'spiffe://shop.test/orders'
export const GATEWAY = 'spiffe://shop.test/gateway'
export const BILLING = 'spiffe://partner.test/billing'

/** The service in tokens: no other service of the shop accepts them. */
export const AUDIENCE = 'orders.shop.test'
