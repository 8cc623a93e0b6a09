// Opens, verifies and refuses what a folder of vectors says, with nothing but docs/spec.md behind it.
//
//   node tests/interop/verifier/main.mjs tests/vectors/open [--json]
//
// Exit: 0 if all is as the vectors say, 1 if anything is not, 2 if there are no vectors.

import { judge } from './vectors.mjs'

const FAILURES_SHOWN = 20

function main([folder, mode]) {
  if (folder === undefined) {
    process.stderr.write('Usage: node tests/interop/verifier/main.mjs VECTORS [--json]\n')
    return 2
  }
  let report
  try {
    report = judge(folder)
  } catch (error) {
    process.stderr.write(`No vectors in ${folder}: ${error.message}\n`)
    return 2
  }
  if (mode === '--json') process.stdout.write(`${JSON.stringify(report)}\n`)
  else {
    const { accepted, refused, failures } = report
    process.stdout.write(`${accepted} held, ${refused} refused as they should be, ${failures.length} not as said\n`)
    for (const why of failures.slice(0, FAILURES_SHOWN)) process.stdout.write(`  ${why}\n`)
  }
  return report.failures.length === 0 ? 0 : 1
}

process.exitCode = main(process.argv.slice(2))
