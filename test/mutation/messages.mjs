/**
 * Keeps Stryker from changing the texts of messages: tests assert codes, so that texts may be bettered.
 * Only the texts themselves are left out, not the code that chooses between them.
 */
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

const REASON = 'the text of a message'

/** Functions that make nothing but text. */
const TEXT_FUNCTIONS = new Set(['reservedCharacterFault', 'characterAt', 'textOf'])

const tests = [
  // { message: '…' }, { fault: '…' }
  ({ parent }) => parent.type === 'ObjectProperty' && /^(message|fault)$/.test(parent.key.name),
  // const message = '…'
  ({ parent }) =>
    parent.type === 'VariableDeclarator' && /^(message|why|place)$/.test(parent.id.name),
  // invalidDer('…'), validityRefusal(leaf, now, 'the leaf'), log.info({}, '…'), fail('…')
  ({ parent }) =>
    parent.type === 'CallExpression' &&
    /^(invalidDer|\w+Refusal|info|warn|fail)$/.test(nameOf(parent.callee)),
  // new SpiffeError('code', '…'), new Fault('code', '…')
  ({ parent, key }) =>
    parent.type === 'NewExpression' && /(Error|Fault)$/.test(nameOf(parent.callee)) && key > 0,
  // return '…' in a function that says what is wrong
  (path) => path.parent.type === 'ReturnStatement' && /fault$/i.test(functionAround(path)),
]

const nameOf = (callee) => callee.name ?? callee.property?.name ?? ''
const functionAround = (path) => {
  const { id, key } = path.getFunctionParent()?.node ?? {}
  return id?.name ?? key?.name ?? ''
}

function isText(path) {
  if (path.isFunctionDeclaration()) return TEXT_FUNCTIONS.has(path.node.id?.name)
  if (!path.isStringLiteral() && !path.isTemplateLiteral()) return false
  let at = path
  // cond ? '…' : '…', known ?? '…'
  while (at.parentPath.isConditionalExpression() || at.parentPath.isLogicalExpression()) {
    at = at.parentPath
  }
  return tests.some((matches) => matches(at))
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'messages', {
    shouldIgnore: (path) => (isText(path) ? REASON : undefined),
  }),
]
