// Selectors of a policy: how it points into the args. One step at a time, or nowhere.

import { isMap, text } from './body.mjs'
import { isBytes } from './bytes.mjs'
import { require } from './refused.mjs'

const CHARS_MAX = 256
const STEPS_MAX = 16
const STEP = new RegExp(
  [
    String.raw`(?:\.(?<name>[A-Za-z_][A-Za-z0-9_]*)`,
    String.raw`|\["(?<key>(?:[^"\\]|\\["\\])*)"\]`,
    String.raw`|\[(?<index>-?[0-9]{1,9})\]`,
    String.raw`|\[(?<start>-?[0-9]{1,9})?:(?<stop>-?[0-9]{1,9})?\]`,
    String.raw`|(?<values>\[\]))(?<optional>\?*)`,
  ].join(''),
  'uy',
)

export const NOWHERE = Symbol('nowhere')

export function selector(value) {
  const { length } = text(value, 'a selector')
  require(length >= 1 && length <= CHARS_MAX && value.startsWith('.'), 'form', 'a selector begins with a dot')
  if (value === '.') return []
  const steps = []
  STEP.lastIndex = value[1] === '[' ? 1 : 0
  while (STEP.lastIndex < length) {
    const found = STEP.exec(value)
    require(found !== null && steps.length < STEPS_MAX, 'form', 'not a selector')
    steps.push(stepOf(found.groups))
  }
  return steps
}

function stepOf({ name, key, index, start, stop, values, optional }) {
  const maybe = optional !== ''
  if (name !== undefined) return { key: name, maybe }
  if (key !== undefined) return { key: key.replace(/\\(["\\])/g, '$1'), maybe }
  if (index !== undefined) return { index: Number(index), maybe }
  if (values !== undefined) return { values: true, maybe }
  require(start !== undefined || stop !== undefined, 'form', 'a slice names a start or an end')
  return { slice: [start === undefined ? 0 : Number(start), stop === undefined ? undefined : Number(stop)], maybe }
}

function take(value, one) {
  if ('key' in one) {
    if (!isMap(value)) return NOWHERE
    return Object.hasOwn(value, one.key) ? value[one.key] : null
  }
  if (one.values) {
    if (isMap(value)) return Object.values(value)
    return Array.isArray(value) ? value : NOWHERE
  }
  if (!Array.isArray(value) && !isBytes(value)) return NOWHERE
  if ('slice' in one) return value.slice(...one.slice)
  const at = one.index < 0 ? value.length + one.index : one.index
  return at >= 0 && at < value.length ? value[at] : NOWHERE
}

const sizeOf = (value) => {
  if (Array.isArray(value) || isBytes(value)) return value.length
  return isMap(value) ? Object.keys(value).length : 0
}

// `.a` on a map costs nothing; any other step, the size of what it is taken from.
export function resolve(args, steps, spend) {
  let here = args
  for (const one of steps) {
    if (!('key' in one && isMap(here))) spend(sizeOf(here))
    here = take(here, one)
    if (here === NOWHERE) {
      if (!one.maybe) return NOWHERE
      here = null
    }
  }
  return here
}
