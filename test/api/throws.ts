import { dirname, resolve } from 'node:path'
import { parse, textOf, type Syntax } from './syntax.ts'

/** A function, a method or a constructor of the sources. */
interface Callable {
  throws: boolean
  /** Keys of what it calls, outside of `try`. */
  readonly calls: readonly string[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** Callbacks of these run before the call returns. */
const RUNS_CALLBACK = /^(?:map|flatMap|forEach|filter|some|every|find|findIndex|reduce|from)$/

/**
 * Whether functions throw, by their sources: by a `throw` of their own, or of a function that they
 * call by its name, of the same package, outside of `try`. Methods are named `Class.method`.
 */
export class Throws {
  readonly #callables = new Map<string, Callable>()

  constructor(files: readonly string[]) {
    for (const file of files) this.#read(parse(file))
    this.#spread()
  }

  /** Whether the function `name` of a file throws. */
  has(file: string, name: string): boolean {
    return this.#callables.get(`${file}#${name}`)?.throws ?? false
  }

  #read(syntax: Syntax): void {
    for (const statement of syntax.program.body as unknown as readonly Node[]) {
      const node = (statement['declaration'] ?? statement) as Node
      if (node.type === 'FunctionDeclaration') this.#add(syntax, nameOf(syntax, node), node)
      if (node.type === 'ClassDeclaration') this.#readClass(syntax, node)
      if (node.type !== 'VariableDeclaration') continue
      for (const variable of node['declarations'] as readonly Node[]) {
        const value = variable['init'] as Node | null
        if (value !== null && isFunction(value)) {
          this.#add(syntax, textOf(syntax, variable['id'] as Node).split(':')[0] ?? '', value)
        }
      }
    }
  }

  #readClass(syntax: Syntax, node: Node): void {
    const className = nameOf(syntax, node)
    for (const member of (node['body'] as Node)['body'] as readonly Node[]) {
      const value = member['value'] as Node | null | undefined
      if (value === null || value === undefined || !isFunction(value)) continue
      this.#add(syntax, `${className}.${textOf(syntax, member['key'] as Node)}`, value)
    }
  }

  #add(syntax: Syntax, name: string, callable: Node): void {
    const imports = importsIn(syntax)
    const calls: string[] = []
    let throws = false
    const keyOf = (called: string): string => {
      const specifier = imports.get(called.split('.')[0] ?? '')
      const file = specifier === undefined ? syntax.file : resolve(dirname(syntax.file), specifier)
      return `${file}#${called}`
    }
    visit(callable['body'] as Node, (node) => {
      if (node.type === 'ThrowStatement') throws = true
      const called = calledIn(syntax, node, name.split('.')[0] ?? '')
      if (called !== undefined) calls.push(keyOf(called))
    })
    this.#callables.set(`${syntax.file}#${name}`, { throws, calls })
  }

  #spread(): void {
    for (let changed = true; changed;) {
      changed = false
      for (const callable of this.#callables.values()) {
        if (callable.throws) continue
        callable.throws = callable.calls.some((key) => this.#callables.get(key)?.throws ?? false)
        changed ||= callable.throws
      }
    }
  }
}

/** What a node calls by name: `f()`, `new C()`, `C.f()` and `this.f()`. */
function calledIn(syntax: Syntax, node: Node, className: string): string | undefined {
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return undefined
  const callee = node['callee'] as Node
  const text = textOf(syntax, callee)
  if (node.type === 'NewExpression') return `${text}.constructor`
  if (/^this\.#?\w+$/.test(text)) return text.replace('this', className)
  return /^\w+(?:\.\w+)?$/.test(text) ? text : undefined
}

/** Every node that runs when the function is called, but for what stands in a `try` with a `catch`. */
function visit(node: Node, see: (node: Node) => void): void {
  see(node)
  const runs = node.type === 'CallExpression' && runsCallback(node['callee'] as Node)
  for (const [key, value] of Object.entries(node)) {
    if (key === 'block' && node['handler']) continue
    for (const child of nodesOf(value)) {
      if (!isFunction(child) || (runs && key === 'arguments')) visit(child, see)
    }
  }
}

function nodesOf(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(nodesOf)
  return 'type' in value ? [value as Node] : []
}

function runsCallback({ property }: Node): boolean {
  return RUNS_CALLBACK.test(String((property as Node | undefined)?.['name']))
}

function isFunction({ type }: Node): boolean {
  return /^(?:ArrowFunctionExpression|FunctionExpression|FunctionDeclaration)$/.test(type)
}

function nameOf(syntax: Syntax, node: Node): string {
  return textOf(syntax, node['id'] as Node)
}

function importsIn({ program }: Syntax): ReadonlyMap<string, string> {
  return new Map(
    program.body.flatMap((statement) =>
      statement.type === 'ImportDeclaration'
        ? statement.specifiers.map(({ local }) => [local.name, statement.source.value] as const)
        : [],
    ),
  )
}
