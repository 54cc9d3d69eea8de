/** Names each mutant that survives as soon as it has, for runs take their time. */
import { relative } from 'node:path'
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin'

class SurvivorReporter {
  onMutantTested({ status, fileName, location, replacement }) {
    if (status !== 'Survived' && status !== 'NoCoverage') return
    const { line, column } = location.start
    const place = `${relative('.', fileName)}:${line}:${column}`
    process.stdout.write(`survived: ${place} → ${replacement.replaceAll(/\s+/g, ' ')}\n`)
  }
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.Reporter, 'survivors', SurvivorReporter),
]
