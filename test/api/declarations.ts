import type { ClassElement, Declaration, Directive, Statement, TSSignature } from 'oxc-parser'
import { docstringOf, textOf, type Span, type Syntax } from './syntax.ts'

export interface Member {
  readonly name: string
  /** On one line, without its docstring. */
  readonly signature: string
  readonly docstring: string
  readonly optional: boolean
}

/** What a module declares under one name. */
export interface Declared {
  readonly name: string
  readonly exported: boolean
  readonly kind: 'function' | 'class' | 'interface' | 'type' | 'constant'
  readonly docstring: string
  /** As TypeScript, without the members. A function has one for each of its overloads. */
  readonly signatures: readonly string[]
  readonly members: readonly Member[]
}

/** What a module declares, exported or not, by its name. */
export function declarationsOf(syntax: Syntax): ReadonlyMap<string, Declared> {
  const declared = new Map<string, Declared>()
  for (const statement of syntax.program.body) {
    const node = declarationIn(statement)
    const read = node && readDeclaration(syntax, node)
    if (read === undefined) continue
    const first = declared.get(read.name)
    declared.set(read.name, {
      ...read,
      exported: statement.type === 'ExportNamedDeclaration',
      docstring: (first?.docstring ?? '') || docstringOf(syntax, statement),
      signatures: [...(first?.signatures ?? []), ...read.signatures],
    })
  }
  return declared
}

function declarationIn(statement: Statement | Directive): Declaration | undefined {
  if (statement.type === 'ExportNamedDeclaration') return statement.declaration ?? undefined
  return /Declaration$|^TSDeclareFunction$/.test(statement.type)
    ? (statement as Declaration)
    : undefined
}

type Read = Omit<Declared, 'exported' | 'docstring'>

function readDeclaration(syntax: Syntax, node: Declaration): Read | undefined {
  if (node.type === 'VariableDeclaration') return readVariable(syntax, node)
  if (node.type === 'TSInterfaceDeclaration') return readBody(syntax, node, 'interface')
  if (node.type === 'ClassDeclaration') return readBody(syntax, node, 'class')
  if (!('id' in node) || node.id?.type !== 'Identifier') return undefined
  const { name } = node.id
  if (node.type === 'TSTypeAliasDeclaration') {
    const members = node.typeAnnotation.type === 'TSUnionType' ? node.typeAnnotation.types : []
    return {
      name,
      kind: 'type',
      signatures: [
        withoutComments(syntax, node)
          .replaceAll(/\s*\n\s*\|/g, ' |')
          .replace(/=\s*\|?\s*/, '= '),
      ],
      members: members
        .map((type) => memberOf(syntax, type))
        .filter(({ docstring }) => docstring !== ''),
    }
  }
  return { name, kind: 'function', signatures: [oneLine(syntax, node)], members: [] }
}

type Variable = Extract<Declaration, { type: 'VariableDeclaration' }>

function readVariable(syntax: Syntax, node: Variable): Read | undefined {
  const [variable] = node.declarations
  if (variable?.id.type !== 'Identifier') return undefined
  const type = variable.id.typeAnnotation?.typeAnnotation
  return {
    name: variable.id.name,
    kind: type?.type === 'TSFunctionType' ? 'function' : 'constant',
    signatures: [oneLine(syntax, node)],
    members: [],
  }
}

type MemberNode = ClassElement | TSSignature

interface WithBody extends Span {
  readonly id: { readonly name: string } | null
  readonly body: Span & { readonly body: readonly MemberNode[] }
}

function readBody(syntax: Syntax, node: WithBody, kind: 'class' | 'interface'): Read | undefined {
  if (node.id === null) return undefined
  return {
    name: node.id.name,
    kind,
    signatures: [oneLine(syntax, { start: node.start, end: node.body.start })],
    members: membersOf(syntax, node.body.body),
  }
}

export function membersOf(syntax: Syntax, nodes: readonly MemberNode[]): Member[] {
  return nodes.filter(isPublic).map((node) => {
    const name = 'key' in node ? textOf(syntax, node.key) : ''
    return memberOf(syntax, node, name, 'optional' in node && node.optional)
  })
}

function memberOf(syntax: Syntax, span: Span, name = '', optional = false): Member {
  return { name, signature: oneLine(syntax, span), docstring: docstringOf(syntax, span), optional }
}

function isPublic(node: MemberNode): boolean {
  if ('accessibility' in node && (node.accessibility ?? 'public') !== 'public') return false
  return !('key' in node && node.key.type === 'PrivateIdentifier')
}

function withoutComments(syntax: Syntax, span: Span): string {
  return textOf(syntax, span)
    .replaceAll(/\s*\/\*\*.*?\*\//gs, '')
    .replace(/^declare /, '')
    .replace(/;$/, '')
}

function oneLine(syntax: Syntax, span: Span): string {
  return withoutComments(syntax, span).replaceAll(/\s+/g, ' ').trim()
}
