// Policies of UCAN: read once and as a whole; what is not known is refused with the token.

import { isMap, list, text, tuple } from './body.mjs'
import { isBytes } from './bytes.mjs'
import { alike } from './cbor.mjs'
import { refuse, require } from './refused.mjs'

const STATEMENTS_MAX = 512
const DEPTH_MAX = 8
const STEP = /\.?\[(-?\d+)?(?:(:)(-?\d+)?)?\](\?)?|\.?\["((?:[^"\\]|\\.)*)"\](\?)?|\.([A-Za-z_][A-Za-z0-9_]*)(\?)?/y

class Missing extends Error {}

function selector(value) {
  text(value, 'a selector')
  require(value.startsWith('.'), 'form', 'a selector begins with a dot')
  if (value === '.') return []
  const steps = []
  STEP.lastIndex = 0
  while (STEP.lastIndex < value.length) {
    const found = STEP.exec(value)
    require(found !== null, 'form', 'not a selector')
    const [, index, colon, end, maybeIndex, quoted, maybeQuoted, name, maybeName] = found
    const optional = Boolean(maybeIndex || maybeQuoted || maybeName)
    if (name !== undefined) steps.push({ key: name, optional })
    else if (quoted !== undefined) steps.push({ key: JSON.parse(`"${quoted}"`), optional })
    else if (colon !== undefined) steps.push({ from: index, to: end, optional })
    else if (index !== undefined) steps.push({ index: Number(index), optional })
    else steps.push({ all: true, optional })
  }
  return steps
}

function step(value, one) {
  if ('key' in one) return isMap(value) && Object.hasOwn(value, one.key) ? value[one.key] : undefined
  if (one.all) {
    if (Array.isArray(value)) return value
    return isMap(value) ? Object.values(value) : undefined
  }
  if (!Array.isArray(value) && !isBytes(value)) return undefined
  if ('index' in one) return value.at(one.index)
  return value.slice(one.from === undefined ? 0 : Number(one.from), one.to === undefined ? undefined : Number(one.to))
}

function select(value, steps) {
  let at = value
  for (const one of steps) {
    const next = step(at, one)
    if (next === undefined) {
      if (one.optional) return null
      throw new Missing()
    }
    at = next
  }
  return at
}

const whole = (value) => typeof value === 'bigint' || Number.isInteger(value)
const ORDER = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

function glob(pattern) {
  let source = ''
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '*') source += '[^]*'
    else if (pattern[i] === '\\' && i + 1 < pattern.length) source += `\\${pattern[++i]}`.replace(/^\\([A-Za-z0-9])$/, '$1')
    else source += pattern[i].replace(/[.+?^${}()|[\]\\/]/, '\\$&')
  }
  return new RegExp(`^${source}$`)
}

function statement(value, depth, count) {
  require(depth <= DEPTH_MAX && ++count.n <= STATEMENTS_MAX, 'form', 'a policy is too large')
  const [operator, ...rest] = list(value, 'a statement', 2, 3)
  const of = (n) => tuple(rest, `a statement of ${operator}`, n)
  if (operator === '==' || operator === '!=') {
    const [where, what] = [selector(of(2)[0]), rest[1]]
    return (args) => alike(select(args, where), what) === (operator === '==')
  }
  if (Object.hasOwn(ORDER, operator)) {
    const [where, what] = [selector(of(2)[0]), rest[1]]
    return (args) => {
      const found = select(args, where)
      return whole(found) && whole(what) && ORDER[operator](found, what)
    }
  }
  if (operator === 'like') {
    const [where, pattern] = [selector(of(2)[0]), glob(text(rest[1], 'a pattern'))]
    return (args) => {
      const found = select(args, where)
      return typeof found === 'string' && pattern.test(found)
    }
  }
  if (operator === 'not') {
    const inner = statement(of(1)[0], depth + 1, count)
    return (args) => !inner(args)
  }
  if (operator === 'and' || operator === 'or') {
    const inner = list(of(1)[0], operator).map((one) => statement(one, depth + 1, count))
    if (operator === 'and') return (args) => inner.every((one) => one(args))
    return (args) => inner.length === 0 || inner.some((one) => one(args))
  }
  if (operator === 'all' || operator === 'any') {
    const [where, inner] = [selector(of(2)[0]), statement(rest[1], depth + 1, count)]
    return (args) => {
      const found = select(args, where)
      const items = Array.isArray(found) ? found : isMap(found) ? Object.values(found) : null
      if (items === null) return false
      return operator === 'all' ? items.every(inner) : items.some(inner)
    }
  }
  return refuse('form', 'a policy says what is not known')
}

export function policy(value) {
  const count = { n: 0 }
  const all = list(value, 'pol', 0, STATEMENTS_MAX).map((one) => statement(one, 1, count))
  return (args) => {
    try {
      return all.every((one) => one(args))
    } catch (error) {
      if (error instanceof Missing) return false
      throw error
    }
  }
}
