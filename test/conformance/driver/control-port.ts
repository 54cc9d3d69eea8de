import { Skip } from '../suite/case.ts'

/** An answer of the control port. */
export interface ControlAnswer {
  readonly code: number
  readonly body: Readonly<Record<string, unknown>>
}

/** What became of a dialled server. */
export type DialOutcome =
  | { readonly verdict: 'accepted'; readonly spiffeId: unknown }
  | { readonly verdict: 'refused'; readonly message: unknown }

/** The control port of a harness. */
export class ControlPort {
  readonly #origin: string

  constructor(port: number) {
    this.#origin = `http://127.0.0.1:${port}`
  }

  /** Lets the library dial a server. Only what it looked at and refused is `refused`. */
  async dial(address: string): Promise<DialOutcome> {
    const { code, body } = await this.post('/v1/x509/dial', { address })
    if (code === 200 && body['status'] === 'ok') {
      return { verdict: 'accepted', spiffeId: body['spiffe_id'] }
    }
    if (code === 422 && body['status'] === 'rejected') {
      return { verdict: 'refused', message: body['message'] }
    }
    if (code === 501) throw new Skip(`unsupported: ${String(body['message'])}`)
    throw new Error(`the harness cannot dial: ${code} ${JSON.stringify(body)}`)
  }

  post(path: string, body: object | string): Promise<ControlAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return this.#call(path, { method: 'POST', body: text })
  }

  get(path: string): Promise<ControlAnswer> {
    return this.#call(path, {})
  }

  async #call(path: string, init: RequestInit): Promise<ControlAnswer> {
    const response = await fetch(`${this.#origin}${path}`, init)
    return { code: response.status, body: (await response.json()) as ControlAnswer['body'] }
  }
}
