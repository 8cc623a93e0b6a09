// A folder of vectors: read, each case run, each fault put into its case.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kinds, run } from './cases.mjs'
import { Refused } from './refused.mjs'

export function load(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const index = read('index.json')
  const files = Object.keys(index.files).map((name) => [name, read(name)])
  return { index, files, shared: Object.assign({}, ...files.map(([, file]) => file.shared)) }
}

// {"shared": name} stands for what several cases use.
function resolved(value, shared) {
  if (Array.isArray(value)) return value.map((item) => resolved(item, shared))
  if (value === null || typeof value !== 'object') return value
  const keys = Object.keys(value)
  if (keys.length === 1 && keys[0] === 'shared') return shared[value.shared]
  return Object.fromEntries(keys.map((key) => [key, resolved(value[key], shared)]))
}

// A copy of an input in which what stands at each dotted place is another.
function put(input, changes) {
  const copy = structuredClone(input)
  for (const [place, value] of Object.entries(changes)) {
    const steps = place.split('.')
    const last = steps.pop()
    const at = steps.reduce((inner, step) => inner[step], copy)
    if (!(last in at)) throw new Error(`there is nothing at ${place}`)
    at[last] = value
  }
  return copy
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
}

const text = (value) => JSON.stringify(sorted(value))

// Null, or why the case is not as it says.
export function holds(one, shared) {
  try {
    const output = run(one.kind, resolved(one.input, shared))
    return text(output) === text(one.output) ? null : `gives ${text(output)}`
  } catch (error) {
    return error instanceof Refused ? `refused, ${error.kind}: ${error.message}` : `fails: ${error.stack}`
  }
}

// Null, or why the fault is not refused as it says.
function refused(one, sound, shared) {
  if (sound === undefined) return `there is no case ${one.of}`
  try {
    run(sound.kind, put(resolved(sound.input, shared), one.put))
    return 'accepted'
  } catch (error) {
    if (!(error instanceof Refused)) return `fails: ${error.stack}`
    return error.kind === one.class ? null : `refused as ${error.kind}: ${error.message}`
  }
}

export function judge(folder) {
  const { index, files, shared } = load(folder)
  const sound = new Map(files.flatMap(([, file]) => file.cases.map((one) => [one.name, one])))
  const report = { accepted: 0, refused: 0, classes: {}, failures: [] }
  const note = (name, why) => report.failures.push(`${name}: ${why}`)
  for (const [name, file] of files) {
    for (const one of file.cases) {
      const why = holds(one, shared)
      if (why === null) report.accepted += 1
      else note(`${name}, ${one.name}`, why)
    }
    for (const one of file.refused) {
      const why = refused(one, sound.get(one.of), shared)
      if (why !== null) note(`${name}, ${one.name}`, why)
      else {
        report.refused += 1
        report.classes[one.class] = (report.classes[one.class] ?? 0) + 1
      }
    }
    const counted = { cases: file.cases.length, refused: file.refused.length }
    if (text(counted) !== text(index.files[name])) note(name, `holds ${text(counted)}`)
  }
  const seen = new Set([...sound.values()].map((one) => one.kind))
  for (const kind of kinds) if (!seen.has(kind)) note('index.json', `nothing of kind ${kind}`)
  if (text(report.classes) !== text(index.classes)) note('index.json', `classes are ${text(report.classes)}`)
  return report
}
