# Reports hot loops that do not keep their sums in registers. A hot loop is an innermost loop that
# multiplies bytes, or looks sums up in tables, and adds the results up from one round to the next.
#
# Input:   assembly of clang -S -g, for x86-64 with -masm=intel, or for arm64.
# Options: instruction and register: the products of a set of kernels and the registers that they
#          must use, as in -v instruction=vpdp -v register=zmm; without them, any.
# Output:  "FUNCTION: WHAT IS WRONG: INSTRUCTION (FILE:LINE)" for each fault.

BEGIN {
  # Products that add to their first operand, all products, additions, and look-ups in tables.
  accumulation = "^(vpdp|[su]dot|usdot|[su]mmla|usmmla|[su]mlal)"
  product = accumulation "|^vpmaddubsw"
  addition = "^(vpadd|vpsub|add|sub|[su]adalp)"
  look_up = "^(vpshufb|vperm[it]?2?b|tb[lx])$"
}

/^[A-Za-z_][A-Za-z0-9_]*:/ {
  report_function()
  name = substr($1, 1, index($1, ":") - 1)
}
/^\.L[A-Za-z0-9_$]*:/ { label[substr($1, 1, index($1, ":") - 1)] = count + 1 }
$1 == ".loc" && match($0, /[^ \/]+:[0-9]+:[0-9]/) { line = substr($0, RSTART, RLENGTH - 2) }
/^\t[a-z{]/ {
  sub(/[ \t]*(# |\/\/).*/, "")
  sub(/\{vex\}[ \t]*/, "")
  gsub(/[ \t]+/, " ")
  add_instruction(substr($0, 2))
}
END {
  report_function()
  if (!hot) print "no hot loop found"
}

# Takes an instruction apart: its name, memory operand, vector registers and the label it jumps to.
function add_instruction(instruction,  operands, operand) {
  count++
  text[count] = operands = op[count] = instruction
  where[count] = line
  sub(/ .*/, "", op[count])
  sub(/^[^ ]+ ?/, "", operands)
  target[count] = match(operands, /\.L[A-Za-z0-9_$]*$/) ? substr(operands, RSTART) : ""
  memory[count] = match(operands, /\[[^]]*\]/) ? substr(operands, RSTART, RLENGTH) : ""
  registers[count] = ""
  # zmm3, ymm3 and xmm3 are one register, and so are v3.4s and q3.
  operands = " " operands
  while (match(operands, /([xyz]mm|[^a-z0-9][vq])[0-9]+/)) {
    operand = substr(operands, RSTART, RLENGTH)
    operands = substr(operands, RSTART + RLENGTH)
    sub(/^.*[a-z]/, "", operand)
    registers[count] = registers[count] " " operand
  }
  # The destination is the first operand, but for arm64's stores, which have names of their own.
  stores[count] = registers[count] != "" &&
    (op[count] ~ /^st/ || instruction ~ /^[^ ]+ [a-z]+ ptr \[/)
}

# A loop reaches from a label to the last jump back to it. Functions that pack or unpack look codes up
# and store them; they have no sums.
function report_function(  i, first, other, end, inner) {
  if (name ~ /(^|_)(un)?pack_/) count = 0
  for (i = 1; i <= count; i++)
    if (target[i] in label && label[target[i]] <= i) end[label[target[i]]] = i
  for (first in end) {
    inner = 0
    for (other in end) if (other + 0 > first + 0 && other + 0 <= end[first]) inner++
    if (!inner && is_hot(first + 0, end[first])) report_loop(first + 0, end[first])
  }
  split("", label)
  count = 0
}

# Whether a loop has products or look-ups, and a sum: a register that an addition reads before the
# loop writes it, or memory that is read and written. Sets loaded, the memory that is read.
function is_hot(first, last,  i, j, n, r, works, sums, reads, written, fetched) {
  split("", loaded)
  for (i = first; i <= last; i++) {
    n = split(registers[i], r, " ")
    if (op[i] ~ product || op[i] ~ look_up) works = 1
    j = op[i] ~ accumulation ? 1 : op[i] ~ addition ? 2 : n + 1
    for (; j <= n; j++) if (!(r[j] in written)) reads[r[j]]
    if (op[i] ~ accumulation && r[1] in fetched) sums = 1
    if (!n || stores[i]) continue
    written[r[1]]
    delete fetched[r[1]]
    if (memory[i] != "") loaded[memory[i]]
    if (memory[i] != "" && op[i] ~ /^(vmov|ld)/) fetched[r[1]]
  }
  for (i in reads) if (i in written) sums = 1
  for (i = first; i <= last; i++) if (stores[i] && memory[i] in loaded) sums = 1
  return works && sums
}

function report_loop(first, last,  i) {
  hot++
  for (i = first; i <= last; i++) {
    if (stores[i]) fault(i, memory[i] in loaded ? "a sum in memory" : "a stored vector")
    if (instruction != "" && op[i] ~ "^" instruction && text[i] !~ register)
      fault(i, "a product in other registers than " register)
  }
}

function fault(i, what) {
  printf "%s: %s: %s (%s)\n", name, what, text[i], where[i]
}
