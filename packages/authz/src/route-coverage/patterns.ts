import { normalizedUrl, type RouterSettings } from '../routing/router-settings.ts'

/**
 * Whether the printed tree of the router may show a pattern so. It changes `::`, an optional parameter and a slash at the
 * end, and whatever the router takes for the same.
 */
export function isShownAs(url: string, shown: string, router: RouterSettings): boolean {
  const normalized = normalizedUrl(shown, router)
  return shownTexts(url.replaceAll('::', ':')).some((text) => {
    return isSame(normalizedUrl(text, router), normalized)
  })
}

function shownTexts(url: string): readonly string[] {
  const required = url.replace(/\?$/, '')
  const texts = required === url ? [url] : [required, required.slice(0, required.lastIndexOf('/'))]
  return [...texts, ...texts.map((text) => `${text}/`)]
}

/** Parameters that have several names at one place are shown as `:a|:b`. */
function isSame(text: string, shown: string): boolean {
  if (text === shown) return true
  const segments = text.split('/')
  const others = shown.split('/')
  return (
    segments.length === others.length &&
    segments.every((segment, index) => {
      return others[index] === segment || others[index]?.split('|').includes(segment) === true
    })
  )
}

/** The patterns that may stand behind what the printed tree shows, at most 64. */
export function patternsOf(shown: string): readonly string[] {
  let patterns: readonly string[] = ['']
  for (const [index, segment] of shown.split('/').entries()) {
    const names = segment.startsWith(':') ? new Set([segment, ...segment.split('|')]) : [segment]
    const slash = index === 0 ? '' : '/'
    patterns = patterns.flatMap((start) => Array.from(names, (name) => `${start}${slash}${name}`))
    if (patterns.length > 64) return [shown]
  }
  return patterns
}
