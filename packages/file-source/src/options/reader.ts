import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { FileSourceError } from '../errors.ts'

/** Reads the options of this package. */
export const reader: OptionReader = new OptionReader(FileSourceError)
