// A case a line on standard input, a verdict a line on standard output, until the input ends.

import { createInterface } from 'node:readline'
import { judge } from './judge.mjs'

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await judge(JSON.parse(line)))}\n`)
}
