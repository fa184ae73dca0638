// Plain JavaScript on purpose: an older Node runs this first and must be able to say what is wrong in one line.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `the tests need Node 24 or newer, this is ${process.versions.node}: run \`npm ci\` with its scripts allowed, which brings one, then \`npm test\` (or put node_modules/.bin first in PATH)`,
  )
  process.exit(1)
}
