// Stands in for the npm package `debug` in mqtt-packet: see silent-debug.ts.
const silent = () => {}
module.exports = () => silent
