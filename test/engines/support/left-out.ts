/** Why an engine is not here. */
export class LeftOut extends Error {}

/** What became of an engine on this machine. */
export type Preparation =
  | { readonly state: 'ready'; readonly program: string }
  | { readonly state: 'left out'; readonly reason: string }

/** Prepares a program; what the machine does not have leaves it out, and whatever else goes wrong is an error. */
export async function prepare(program: () => Promise<string>): Promise<Preparation> {
  try {
    return { state: 'ready', program: await program() }
  } catch (error) {
    if (error instanceof LeftOut) return { state: 'left out', reason: error.message }
    throw error
  }
}
