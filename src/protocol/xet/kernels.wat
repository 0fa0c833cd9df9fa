;; The four inner loops of Xet that JavaScript is too slow for: gearhash cuts (64-bit arithmetic), LZ4 blocks both
;; ways, byte grouping. Pure: no imports, one fixed memory, every write bounded by an argument.
;; kernels-wasm.ts holds these very instructions assembled; kernels.test.ts fails when the two differ.
;;
;; Memory (12 pages, never grows; the regions and their slack are known to kernels.ts):
;;   0x00000  gear table, 256 x u64        0x10000  IN       256 KiB + slack
;;   0x01000  LZ4 encoder's hash table     0x60000  OUT      128 KiB + slack
;;                                         0x90000  SCRATCH  128 KiB + slack
;; Copies move 16 bytes at a time and may touch up to 15 bytes past their end: the slack is for those.
(module
  (memory (export "memory") 12 12)
  ;; The state of a chunk that goes on: set and read from outside, so that many streams share one instance.
  (global $gear (export "gear_hash") (mut i64) (i64.const 0))
  (global $size (export "gear_size") (mut i32) (i32.const 0))

  ;; Reads $len bytes at $at; returns the bytes up to and including the cut, or -1 when the chunk goes on.
  (func (export "gear_next") (param $at i32) (param $len i32) (result i32)
    (local $p i32) (local $end i32) (local $limit i32) (local $from i32) (local $n i32) (local $h i64)
    (local.set $p (local.get $at))
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    ;; 8127 bytes unread: no cut may fall there and the hash forgets a byte after 64 more
    (if (i32.lt_u (global.get $size) (i32.const 8127)) (then
      (local.set $n (i32.sub (i32.const 8127) (global.get $size)))
      (if (i32.gt_u (local.get $n) (local.get $len)) (then (local.set $n (local.get $len))))
      (local.set $p (i32.add (local.get $p) (local.get $n)))
      (global.set $size (i32.add (global.get $size) (local.get $n)))))
    (local.set $h (global.get $gear))
    ;; up to 8191 bytes: hashed, matches ignored
    (block $warm (loop $next
      (br_if $warm (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $warm (i32.ge_u (global.get $size) (i32.const 8191)))
      (local.set $h (i64.add (i64.shl (local.get $h) (i64.const 1))
        (i64.load (i32.shl (i32.load8_u (local.get $p)) (i32.const 3)))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (global.set $size (i32.add (global.get $size) (i32.const 1)))
      (br $next)))
    ;; from here a match cuts
    (local.set $limit (i32.add (local.get $p) (i32.sub (i32.const 131072) (global.get $size))))
    (if (i32.gt_u (local.get $limit) (local.get $end)) (then (local.set $limit (local.get $end))))
    (local.set $from (local.get $p))
    (block $cut
      (block $dry (loop $next
        (br_if $dry (i32.ge_u (local.get $p) (local.get $limit)))
        (local.set $h (i64.add (i64.shl (local.get $h) (i64.const 1))
          (i64.load (i32.shl (i32.load8_u (local.get $p)) (i32.const 3)))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br_if $cut (i64.lt_u (local.get $h) (i64.const 0x1000000000000)))
        (br $next)))
      (global.set $size (i32.add (global.get $size) (i32.sub (local.get $p) (local.get $from))))
      (br_if $cut (i32.ge_u (global.get $size) (i32.const 131072)))
      (global.set $gear (local.get $h))
      (return (i32.const -1)))
    (global.set $gear (i64.const 0))
    (global.set $size (i32.const 0))
    (i32.sub (local.get $p) (local.get $at)))

  ;; Copies $n bytes upward in steps of 16, up to 15 too many. Right for overlaps at distance >= 16.
  (func $copy (param $to i32) (param $from i32) (param $n i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $to) (local.get $n)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
      (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br $next))))

  ;; Decodes one LZ4 block of $len bytes at $ip to $op. Matches reach back to $low at most, output never passes
  ;; $oend. Returns the end of the output, 0 when the block is malformed or does not fit.
  (func (export "lz4_decode")
    (param $ip i32) (param $len i32) (param $op i32) (param $low i32) (param $oend i32) (result i32)
    (local $iend i32) (local $token i32) (local $n i32) (local $b i32) (local $off i32) (local $i i32)
    (local.set $iend (i32.add (local.get $ip) (local.get $len)))
    (loop $sequence
      (if (i32.ge_u (local.get $ip) (local.get $iend)) (then (return (i32.const 0))))
      (local.set $token (i32.load8_u (local.get $ip)))
      (local.set $ip (i32.add (local.get $ip) (i32.const 1)))
      ;; literals
      (local.set $n (i32.shr_u (local.get $token) (i32.const 4)))
      (if (i32.eq (local.get $n) (i32.const 15)) (then
        (loop $more
          (if (i32.ge_u (local.get $ip) (local.get $iend)) (then (return (i32.const 0))))
          (local.set $b (i32.load8_u (local.get $ip)))
          (local.set $ip (i32.add (local.get $ip) (i32.const 1)))
          (local.set $n (i32.add (local.get $n) (local.get $b)))
          (br_if $more (i32.eq (local.get $b) (i32.const 255))))))
      (if (i32.gt_u (local.get $n) (i32.sub (local.get $iend) (local.get $ip))) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $n) (i32.sub (local.get $oend) (local.get $op))) (then (return (i32.const 0))))
      (call $copy (local.get $op) (local.get $ip) (local.get $n))
      (local.set $ip (i32.add (local.get $ip) (local.get $n)))
      (local.set $op (i32.add (local.get $op) (local.get $n)))
      ;; a block ends with literals
      (if (i32.eq (local.get $ip) (local.get $iend)) (then (return (local.get $op))))
      ;; match
      (if (i32.lt_u (i32.sub (local.get $iend) (local.get $ip)) (i32.const 2)) (then (return (i32.const 0))))
      (local.set $off (i32.load16_u align=1 (local.get $ip)))
      (local.set $ip (i32.add (local.get $ip) (i32.const 2)))
      (if (i32.eqz (local.get $off)) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $off) (i32.sub (local.get $op) (local.get $low))) (then (return (i32.const 0))))
      (local.set $n (i32.and (local.get $token) (i32.const 15)))
      (if (i32.eq (local.get $n) (i32.const 15)) (then
        (loop $more
          (if (i32.ge_u (local.get $ip) (local.get $iend)) (then (return (i32.const 0))))
          (local.set $b (i32.load8_u (local.get $ip)))
          (local.set $ip (i32.add (local.get $ip) (i32.const 1)))
          (local.set $n (i32.add (local.get $n) (local.get $b)))
          (br_if $more (i32.eq (local.get $b) (i32.const 255))))))
      (local.set $n (i32.add (local.get $n) (i32.const 4)))
      (if (i32.gt_u (local.get $n) (i32.sub (local.get $oend) (local.get $op))) (then (return (i32.const 0))))
      (if (i32.ge_u (local.get $off) (i32.const 16))
        (then (call $copy (local.get $op) (i32.sub (local.get $op) (local.get $off)) (local.get $n)))
        (else
          ;; A short period: 16 bytes one by one, then by a multiple of the period that is at least 16.
          (local.set $i (i32.const 0))
          (loop $next
            (i32.store8 (i32.add (local.get $op) (local.get $i))
              (i32.load8_u (i32.sub (i32.add (local.get $op) (local.get $i)) (local.get $off))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 16))))
          (if (i32.gt_u (local.get $n) (i32.const 16)) (then
            (local.set $off (i32.mul (local.get $off)
              (i32.div_u (i32.add (local.get $off) (i32.const 15)) (local.get $off))))
            (call $copy (i32.add (local.get $op) (i32.const 16))
              (i32.sub (i32.add (local.get $op) (i32.const 16)) (local.get $off))
              (i32.sub (local.get $n) (i32.const 16)))))))
      (local.set $op (i32.add (local.get $op) (local.get $n)))
      (br $sequence))
    (unreachable))

  ;; Writes the continuation bytes of a length of which 15 stand in the token; returns the new $op.
  (func $put_length (param $op i32) (param $n i32) (result i32)
    (local.set $n (i32.sub (local.get $n) (i32.const 15)))
    (block $done (loop $next
      (br_if $done (i32.lt_u (local.get $n) (i32.const 255)))
      (i32.store8 (local.get $op) (i32.const 255))
      (local.set $op (i32.add (local.get $op) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 255)))
      (br $next)))
    (i32.store8 (local.get $op) (local.get $n))
    (i32.add (local.get $op) (i32.const 1)))

  ;; Address of the hash table slot for the four bytes at $p.
  (func $slot (param $bytes i32) (result i32)
    (i32.add (i32.const 0x1000)
      (i32.shl (i32.shr_u (i32.mul (local.get $bytes) (i32.const 0x9e3779b1)) (i32.const 20)) (i32.const 2))))

  ;; Encodes $len bytes at $src as one LZ4 block at $dst (greedy, 64 KiB window). Returns its length, 0 when it
  ;; would not fit in $cap bytes.
  (func (export "lz4_encode") (param $src i32) (param $len i32) (param $dst i32) (param $cap i32) (result i32)
    (local $ip i32) (local $anchor i32) (local $iend i32) (local $mflimit i32) (local $mlimit i32) (local $op i32)
    (local $oend i32) (local $tries i32) (local $next i32) (local $seq i32) (local $slot i32) (local $ref i32)
    (local $lit i32) (local $m i32) (local $p i32) (local $q i32) (local $diff i64)
    (memory.fill (i32.const 0x1000) (i32.const 0) (i32.const 0x4000))
    (local.set $ip (local.get $src))
    (local.set $anchor (local.get $src))
    (local.set $iend (i32.add (local.get $src) (local.get $len)))
    (local.set $op (local.get $dst))
    (local.set $oend (i32.add (local.get $dst) (local.get $cap)))
    ;; The format's end rules: the last match starts 12 bytes before the end, the last 5 bytes are literals.
    (local.set $mflimit (i32.sub (local.get $iend) (i32.const 12)))
    (local.set $mlimit (i32.sub (local.get $iend) (i32.const 5)))
    (block $tail
      (br_if $tail (i32.lt_u (local.get $len) (i32.const 13)))
      (loop $search
        (local.set $tries (i32.const 64))
        (local.set $next (local.get $ip))
        (loop $probe
          (local.set $ip (local.get $next))
          (br_if $tail (i32.gt_u (local.get $ip) (local.get $mflimit)))
          ;; the longer nothing matches, the larger the steps: incompressible bytes cost little
          (local.set $next (i32.add (local.get $ip) (i32.shr_u (local.get $tries) (i32.const 6))))
          (local.set $tries (i32.add (local.get $tries) (i32.const 1)))
          (local.set $seq (i32.load align=1 (local.get $ip)))
          (local.set $slot (call $slot (local.get $seq)))
          (local.set $ref (i32.load (local.get $slot)))
          (i32.store (local.get $slot) (local.get $ip))
          ;; an empty slot is 0, further than 64 KiB from any input
          (br_if $probe (i32.gt_u (i32.sub (local.get $ip) (local.get $ref)) (i32.const 65535)))
          (br_if $probe (i32.ne (i32.load align=1 (local.get $ref)) (local.get $seq))))
        ;; grow backward
        (block $grown (loop $back
          (br_if $grown (i32.le_u (local.get $ip) (local.get $anchor)))
          (br_if $grown (i32.le_u (local.get $ref) (local.get $src)))
          (br_if $grown (i32.ne (i32.load8_u (i32.sub (local.get $ip) (i32.const 1)))
            (i32.load8_u (i32.sub (local.get $ref) (i32.const 1)))))
          (local.set $ip (i32.sub (local.get $ip) (i32.const 1)))
          (local.set $ref (i32.sub (local.get $ref) (i32.const 1)))
          (br $back)))
        (local.set $lit (i32.sub (local.get $ip) (local.get $anchor)))
        ;; grow forward, 8 bytes at a time
        (local.set $p (i32.add (local.get $ip) (i32.const 4)))
        (local.set $q (i32.add (local.get $ref) (i32.const 4)))
        (block $ended
          (block $words (loop $forward
            (br_if $words (i32.gt_u (i32.add (local.get $p) (i32.const 8)) (local.get $mlimit)))
            (local.set $diff (i64.xor (i64.load align=1 (local.get $p)) (i64.load align=1 (local.get $q))))
            (if (i64.ne (local.get $diff) (i64.const 0)) (then
              (local.set $p (i32.add (local.get $p)
                (i32.wrap_i64 (i64.shr_u (i64.ctz (local.get $diff)) (i64.const 3)))))
              (br $ended)))
            (local.set $p (i32.add (local.get $p) (i32.const 8)))
            (local.set $q (i32.add (local.get $q) (i32.const 8)))
            (br $forward)))
          (loop $forward
            (br_if $ended (i32.ge_u (local.get $p) (local.get $mlimit)))
            (br_if $ended (i32.ne (i32.load8_u (local.get $p)) (i32.load8_u (local.get $q))))
            (local.set $p (i32.add (local.get $p) (i32.const 1)))
            (local.set $q (i32.add (local.get $q) (i32.const 1)))
            (br $forward)))
        (local.set $m (i32.sub (i32.sub (local.get $p) (local.get $ip)) (i32.const 4)))
        ;; token, two length runs, offset: 5 bytes and one more per 255
        (if (i32.gt_u
              (i32.add (i32.add (local.get $op) (i32.const 5))
                (i32.add (i32.add (local.get $lit) (i32.div_u (local.get $lit) (i32.const 255)))
                  (i32.div_u (local.get $m) (i32.const 255))))
              (local.get $oend))
          (then (return (i32.const 0))))
        (i32.store8 (local.get $op) (i32.or
          (i32.shl (select (i32.const 15) (local.get $lit) (i32.gt_u (local.get $lit) (i32.const 15))) (i32.const 4))
          (select (i32.const 15) (local.get $m) (i32.gt_u (local.get $m) (i32.const 15)))))
        (local.set $op (i32.add (local.get $op) (i32.const 1)))
        (if (i32.ge_u (local.get $lit) (i32.const 15))
          (then (local.set $op (call $put_length (local.get $op) (local.get $lit)))))
        (call $copy (local.get $op) (local.get $anchor) (local.get $lit))
        (local.set $op (i32.add (local.get $op) (local.get $lit)))
        (i32.store16 align=1 (local.get $op) (i32.sub (local.get $ip) (local.get $ref)))
        (local.set $op (i32.add (local.get $op) (i32.const 2)))
        (if (i32.ge_u (local.get $m) (i32.const 15))
          (then (local.set $op (call $put_length (local.get $op) (local.get $m)))))
        (local.set $ip (local.get $p))
        (local.set $anchor (local.get $p))
        (br_if $tail (i32.gt_u (local.get $ip) (local.get $mflimit)))
        (local.set $p (i32.sub (local.get $ip) (i32.const 2)))
        (i32.store (call $slot (i32.load align=1 (local.get $p))) (local.get $p))
        (br $search)))
    (local.set $lit (i32.sub (local.get $iend) (local.get $anchor)))
    (if (i32.gt_u
          (i32.add (i32.add (local.get $op) (i32.const 2))
            (i32.add (local.get $lit) (i32.div_u (local.get $lit) (i32.const 255))))
          (local.get $oend))
      (then (return (i32.const 0))))
    (i32.store8 (local.get $op) (i32.shl
      (select (i32.const 15) (local.get $lit) (i32.gt_u (local.get $lit) (i32.const 15))) (i32.const 4)))
    (local.set $op (i32.add (local.get $op) (i32.const 1)))
    (if (i32.ge_u (local.get $lit) (i32.const 15))
      (then (local.set $op (call $put_length (local.get $op) (local.get $lit)))))
    (call $copy (local.get $op) (local.get $anchor) (local.get $lit))
    (i32.sub (i32.add (local.get $op) (local.get $lit)) (local.get $dst)))

  ;; Start of byte group $k of $n bytes placed at $at: group k holds ceil((n - k) / 4) bytes.
  (func $group (param $at i32) (param $n i32) (param $k i32) (result i32)
    (local $rest i32)
    (local.set $rest (i32.and (local.get $n) (i32.const 3)))
    (i32.add (local.get $at) (i32.add
      (i32.mul (local.get $k) (i32.shr_u (local.get $n) (i32.const 2)))
      (select (local.get $k) (local.get $rest) (i32.lt_u (local.get $k) (local.get $rest))))))

  ;; Bytes at positions 0, 1, 2, 3 mod 4 of $src become four runs at $dst.
  (func (export "bg4_split") (param $src i32) (param $n i32) (param $dst i32)
    (local $i i32) (local $g0 i32) (local $g1 i32) (local $g2 i32) (local $g3 i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $x v128) (local $y v128)
    (local.set $g0 (call $group (local.get $dst) (local.get $n) (i32.const 0)))
    (local.set $g1 (call $group (local.get $dst) (local.get $n) (i32.const 1)))
    (local.set $g2 (call $group (local.get $dst) (local.get $n) (i32.const 2)))
    (local.set $g3 (call $group (local.get $dst) (local.get $n) (i32.const 3)))
    (block $rest (loop $next
      (br_if $rest (i32.gt_u (i32.add (local.get $i) (i32.const 64)) (local.get $n)))
      (local.set $a (v128.load align=1 (i32.add (local.get $src) (local.get $i))))
      (local.set $b (v128.load offset=16 align=1 (i32.add (local.get $src) (local.get $i))))
      (local.set $c (v128.load offset=32 align=1 (i32.add (local.get $src) (local.get $i))))
      (local.set $d (v128.load offset=48 align=1 (i32.add (local.get $src) (local.get $i))))
      (local.set $x (i8x16.shuffle 0 4 8 12 16 20 24 28 1 5 9 13 17 21 25 29 (local.get $a) (local.get $b)))
      (local.set $y (i8x16.shuffle 0 4 8 12 16 20 24 28 1 5 9 13 17 21 25 29 (local.get $c) (local.get $d)))
      (v128.store align=1 (local.get $g0)
        (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $x) (local.get $y)))
      (v128.store align=1 (local.get $g1)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $x) (local.get $y)))
      (local.set $x (i8x16.shuffle 2 6 10 14 18 22 26 30 3 7 11 15 19 23 27 31 (local.get $a) (local.get $b)))
      (local.set $y (i8x16.shuffle 2 6 10 14 18 22 26 30 3 7 11 15 19 23 27 31 (local.get $c) (local.get $d)))
      (v128.store align=1 (local.get $g2)
        (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $x) (local.get $y)))
      (v128.store align=1 (local.get $g3)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $x) (local.get $y)))
      (local.set $g0 (i32.add (local.get $g0) (i32.const 16)))
      (local.set $g1 (i32.add (local.get $g1) (i32.const 16)))
      (local.set $g2 (i32.add (local.get $g2) (i32.const 16)))
      (local.set $g3 (i32.add (local.get $g3) (i32.const 16)))
      (local.set $i (i32.add (local.get $i) (i32.const 64)))
      (br $next)))
    ;; Each byte goes to the front group, then the groups change places.
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (i32.store8 (local.get $g0) (i32.load8_u (i32.add (local.get $src) (local.get $i))))
      (i32.add (local.get $g0) (i32.const 1))
      (local.set $g0 (local.get $g1))
      (local.set $g1 (local.get $g2))
      (local.set $g2 (local.get $g3))
      (local.set $g3)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))))

  ;; The way back: four runs at $src become $n interleaved bytes at $dst.
  (func (export "bg4_join") (param $src i32) (param $n i32) (param $dst i32)
    (local $i i32) (local $g0 i32) (local $g1 i32) (local $g2 i32) (local $g3 i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128) (local $x v128) (local $y v128)
    (local.set $g0 (call $group (local.get $src) (local.get $n) (i32.const 0)))
    (local.set $g1 (call $group (local.get $src) (local.get $n) (i32.const 1)))
    (local.set $g2 (call $group (local.get $src) (local.get $n) (i32.const 2)))
    (local.set $g3 (call $group (local.get $src) (local.get $n) (i32.const 3)))
    (block $rest (loop $next
      (br_if $rest (i32.gt_u (i32.add (local.get $i) (i32.const 64)) (local.get $n)))
      (local.set $a (v128.load align=1 (local.get $g0)))
      (local.set $b (v128.load align=1 (local.get $g1)))
      (local.set $c (v128.load align=1 (local.get $g2)))
      (local.set $d (v128.load align=1 (local.get $g3)))
      (local.set $x (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $a) (local.get $b)))
      (local.set $y (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $c) (local.get $d)))
      (v128.store align=1 (i32.add (local.get $dst) (local.get $i))
        (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $x) (local.get $y)))
      (v128.store offset=16 align=1 (i32.add (local.get $dst) (local.get $i))
        (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $x) (local.get $y)))
      (local.set $x (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $a) (local.get $b)))
      (local.set $y (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $c) (local.get $d)))
      (v128.store offset=32 align=1 (i32.add (local.get $dst) (local.get $i))
        (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $x) (local.get $y)))
      (v128.store offset=48 align=1 (i32.add (local.get $dst) (local.get $i))
        (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $x) (local.get $y)))
      (local.set $g0 (i32.add (local.get $g0) (i32.const 16)))
      (local.set $g1 (i32.add (local.get $g1) (i32.const 16)))
      (local.set $g2 (i32.add (local.get $g2) (i32.const 16)))
      (local.set $g3 (i32.add (local.get $g3) (i32.const 16)))
      (local.set $i (i32.add (local.get $i) (i32.const 64)))
      (br $next)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (i32.store8 (i32.add (local.get $dst) (local.get $i)) (i32.load8_u (local.get $g0)))
      (i32.add (local.get $g0) (i32.const 1))
      (local.set $g0 (local.get $g1))
      (local.set $g1 (local.get $g2))
      (local.set $g2 (local.get $g3))
      (local.set $g3)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))))
)
