import { expect, test } from 'vitest'
import { parseRpmSpec } from '../../../src/protocol/rpm-spec.js'

const one = (name: string, version: string, release: string, epoch: string | null = null) => ({
  name,
  epoch,
  version,
  release,
})

test('name, version, release and epoch with macros of the file', () => {
  const spec = `
%define upstream_name    Algorithm-Diff
%global upstream_version 1.1902
Name:       perl-%{upstream_name}
Version:\t%upstream_version
release: %mkrel 6
Epoch: 1
Summary: Name: not this
%description
Name: nor this
`
  expect(parseRpmSpec(spec)).toEqual([one('perl-Algorithm-Diff', '1.1902', '6', '1')])
})

test('%package: suffix, -n, own version, inherited otherwise', () => {
  const spec = `
%define major 4
%define libname %mklibname foo %{major}
Name: foo
Version: 1.2
Release: 3%{?dist}
%package -n lib%{name}%{major}
Summary: x
%package devel
Version: 9
Epoch: 2
%description devel
text
%package doc
%files
`
  expect(parseRpmSpec(spec)).toEqual([
    one('foo', '1.2', '3'),
    one('libfoo4', '1.2', '3'),
    one('foo-devel', '9', '3', '2'),
    one('foo-doc', '1.2', '3'),
  ])
})

test('conditionals, bconds and definitions inside conditions', () => {
  const spec = `
%bcond_without docs
%bcond_with tests
%{!?rel: %global rel 7}
%if 0%{?rhel} >= 8
Name: wrong
%elif "%{rel}" == "7" && !0%{?suse_version}
Name: right
%else
Name: wrong
%endif
Version: 1
Release: %{rel}
%ifarch %{ix86} x86_64
%if %{with docs}
%package docs
%endif
%if %{with tests}
%package tests
%endif
%else
%package other
%endif
`
  expect(parseRpmSpec(spec).map((it) => `${it.name}-${it.release}`)).toEqual([
    'right-7',
    'right-docs-7',
  ])
})

test('macros with arguments, %%, unknown ones and what would run something', () => {
  const spec = `
%define twice() %{1}%{1}
Name: a%{twice b}
Version: %(date +%Y)1%{lua: print(1)}%[1+1]
Release: %{unknown}%%%{?unknown:x}%{!?unknown:y}
`
  expect(parseRpmSpec(spec)).toEqual([one('abb', '1', '%{unknown}%y')])
  expect(parseRpmSpec('Name: a\nVersion: 1\nRelease: %mkrel -c rc2 4')).toEqual([
    one('a', '1', '0.rc2.4'),
  ])
})

test('no name, no packages', () => {
  expect(parseRpmSpec('')).toEqual([])
  expect(parseRpmSpec('Version: 1\n%package x\n')).toEqual([])
  expect(parseRpmSpec('\0\u{fffd}%{')).toEqual([])
})

test('endless and exploding macros end', () => {
  expect(parseRpmSpec('%define a %b\n%define b %a\nName: x\nVersion: %a')).toHaveLength(1)
  const bomb = Array.from({ length: 60 }, (_, n) => `%define a${n} %a${n + 1}%a${n + 1}%a${n + 1}`)
  expect(parseRpmSpec(`Name: x\n${bomb.join('\n')}\nVersion: %a0`)).toEqual([one('x', '', '')])
  expect(parseRpmSpec(`Name: x\nVersion: ${'%{'.repeat(200_000)}`)).toHaveLength(1)
  expect(parseRpmSpec(`Name: x\n%if ${'('.repeat(100_000)}\n%endif`)).toHaveLength(1)
})
