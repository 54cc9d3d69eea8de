export default async function orders(app) {
  const spiffe = { allow: ['spiffe://example.org/acme/web'] }
  app.get('/', { config: { spiffe } }, (request) => `hello ${String(request.spiffeId)}`)
}
