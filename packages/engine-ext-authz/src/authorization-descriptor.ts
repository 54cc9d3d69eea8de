// Generated from authorization.proto by `pnpm generate`; a test compares the two.

export const DESCRIPTOR: { readonly nested: Readonly<Record<string, object>> } = {
  nested: {
    envoy: {
      nested: {
        service: {
          nested: {
            auth: {
              nested: {
                v3: {
                  nested: {
                    Authorization: {
                      methods: {
                        Check: { requestType: 'CheckRequest', responseType: 'CheckResponse' },
                      },
                    },
                    CheckRequest: { fields: { attributes: { type: 'AttributeContext', id: 1 } } },
                    AttributeContext: {
                      fields: {
                        source: { type: 'Peer', id: 1 },
                        request: { type: 'Request', id: 4 },
                        context_extensions: { keyType: 'string', type: 'string', id: 10 },
                      },
                    },
                    Peer: { fields: { principal: { type: 'string', id: 4 } } },
                    Request: { fields: { http: { type: 'HttpRequest', id: 2 } } },
                    HttpRequest: {
                      fields: {
                        id: { type: 'string', id: 1 },
                        method: { type: 'string', id: 2 },
                        headers: { keyType: 'string', type: 'string', id: 3 },
                        path: { type: 'string', id: 4 },
                        host: { type: 'string', id: 5 },
                      },
                    },
                    CheckResponse: {
                      oneofs: {
                        http_response: {
                          oneof: ['denied_response', 'ok_response', 'error_response'],
                        },
                      },
                      fields: {
                        status: { type: 'Status', id: 1 },
                        denied_response: { type: 'Answer', id: 2 },
                        ok_response: { type: 'Answer', id: 3 },
                        error_response: { type: 'Answer', id: 5 },
                      },
                    },
                    Status: { fields: { code: { type: 'int32', id: 1 } } },
                    Answer: { fields: {} },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
}
