// Policies of UCAN: read once and as a whole; what is not known is refused with the token.

import { isMap, list, text, tuple } from './body.mjs'
import { isBytes, same } from './bytes.mjs'
import { isLink, linkBytes } from './cbor.mjs'
import { refuse, require } from './refused.mjs'
import { NOWHERE, resolve, selector } from './selector.mjs'

const STATEMENTS_MAX = 512
const DEPTH_MAX = 8
const STEPS_MAX = 100_000
const PATTERN_CHARS_MAX = 256

const whole = (value) => typeof value === 'bigint' || typeof value === 'number'
const ORDER = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

// Deep and typed.
function equal(a, b, spend) {
  if (whole(a) && whole(b)) return a == b // a large integer is a BigInt, a small one is not
  if (isBytes(a) && isBytes(b)) return same(a, b)
  if (isLink(a) && isLink(b)) return same(linkBytes(a), linkBytes(b))
  if (Array.isArray(a) && Array.isArray(b)) {
    spend(1 + a.length)
    return a.length === b.length && a.every((one, i) => equal(one, b[i], spend))
  }
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a)
    spend(1 + keys.length)
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key], spend))
    )
  }
  return a === b
}

// The pieces between the stars; a backslash before a star makes it one character.
function pieces(pattern) {
  require(text(pattern, 'a pattern').length <= PATTERN_CHARS_MAX, 'form', 'a pattern is too long')
  const found = ['']
  for (const part of pattern.split(/(\\\*|\*)/)) {
    if (part === '*') found.push('')
    else found[found.length - 1] += part === '\\*' ? '*' : part
  }
  return found
}

function like(parts, value) {
  if (parts.length === 1) return value === parts[0]
  const [first, last] = [parts[0], parts.at(-1)]
  const end = value.length - last.length
  if (end < first.length || !value.startsWith(first) || !value.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    at = value.indexOf(part, at)
    if (at < 0 || at + part.length > end) return false
    at += part.length
  }
  return true
}

function comparison(operator, [where, what]) {
  const steps = selector(where)
  if (operator === '==' || operator === '!=') {
    return (args, spend) => {
      const found = resolve(args, steps, spend)
      return found !== NOWHERE && equal(found, what, spend) === (operator === '==')
    }
  }
  if (operator === 'like') {
    const parts = pieces(what)
    return (args, spend) => {
      const found = resolve(args, steps, spend)
      if (typeof found !== 'string') return false
      spend(1 + Math.floor(found.length / 64))
      return like(parts, found)
    }
  }
  require(Object.hasOwn(ORDER, operator), 'form', 'a policy says what is not known')
  require(whole(what), 'form', 'an order is over an integer')
  return (args, spend) => {
    const found = resolve(args, steps, spend)
    return whole(found) && ORDER[operator](found, what)
  }
}

function quantified(operator, where, inner, size) {
  const steps = selector(where)
  return (args, spend) => {
    const found = resolve(args, steps, spend)
    const items = Array.isArray(found) ? found : isMap(found) ? Object.values(found) : null
    if (items === null) return false
    spend(items.length * size)
    const holds = (item) => inner(item, spend)
    return operator === 'all' ? items.every(holds) : items.some(holds)
  }
}

function statement(value, depth, count) {
  require(depth <= DEPTH_MAX && ++count.n <= STATEMENTS_MAX, 'form', 'a policy is too large')
  const [operator, ...rest] = list(value, 'a statement', 1)
  const read = (one) => statement(one, depth + 1, count)
  if (operator === 'not') {
    const inner = read(tuple(rest, 'what follows not', 1)[0])
    return (args, spend) => !inner(args, spend)
  }
  if (operator === 'and' || operator === 'or') {
    const inner = list(tuple(rest, `what follows ${operator}`, 1)[0], operator).map(read)
    if (operator === 'and') return (args, spend) => inner.every((one) => one(args, spend))
    return (args, spend) => inner.length === 0 || inner.some((one) => one(args, spend))
  }
  tuple(rest, 'what follows an operator', 2)
  if (operator !== 'all' && operator !== 'any') return comparison(operator, rest)
  const before = count.n
  const inner = read(rest[1])
  return quantified(operator, rest[0], inner, 1 + count.n - before)
}

// Whether every statement holds on the args; what would cost too much to tell is refused.
export function policy(value) {
  const count = { n: 0 }
  const all = list(value, 'pol').map((one) => statement(one, 1, count))
  return (args) => {
    let left = STEPS_MAX
    const spend = (steps) => {
      left -= steps
      if (left < 0) refuse('policy', 'a policy costs too much to evaluate')
    }
    return all.every((one) => one(args, spend))
  }
}
