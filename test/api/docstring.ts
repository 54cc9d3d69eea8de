type LinkOf = (name: string) => string

/** A docstring as Markdown: links resolved, tags as a list, what looks like HTML as text. */
export function markdownOf(docstring: string, linkOf: LinkOf): string {
  const [description = '', ...tags] = docstring.split(/^(?=@\w+)/m)
  const items = tags.map((tag) => {
    const [, name = '', text = ''] = /^@(\w+)\s*(.*)$/s.exec(tag) ?? []
    return `- ${labelOf(name)}${linked(text.replaceAll(/\s+/g, ' ').trim(), linkOf)}`
  })
  return [linked(description.trim(), linkOf), items.join('\n')]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** The first sentence, on one line. */
export function firstSentenceOf(docstring: string, linkOf: LinkOf): string {
  const [paragraph = ''] = docstring.split(/\n\n|^@|\n@/)
  const text = paragraph.replaceAll(/\s+/g, ' ')
  const sentence = /^.*?[.:](?= |$)(?<!e\.g\.|i\.e\.)/.exec(text)?.[0] ?? text
  return linked(sentence.replace(/:$/, '.'), linkOf)
}

function labelOf(tag: string): string {
  return { throws: 'Throws ', returns: 'Returns ', param: '' }[tag] ?? `${tag}: `
}

function linked(text: string, linkOf: LinkOf): string {
  return text
    .replaceAll(/\{@link (?<name>[\w$.]+)\}/g, (_, name: string) => linkOf(name))
    .replaceAll(/\{(?<name>[A-Z]\w+Error)\}/g, (_, name: string) => linkOf(name))
    .replaceAll(/`[^`]*`|</g, (match) => (match === '<' ? '&lt;' : match))
}
