/** Prints one measurement. */
export function report(line: string): void {
  process.stderr.write(`    · ${line}\n`)
}
