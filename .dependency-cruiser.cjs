/** Imports point one way: contracts ← ports ← {engine, gpt2, …} ← adapters ← services. */
const shared = (names) => `^shared/(${names})/`;

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    {
      name: 'not-to-unresolvable',
      comment: 'Backends that are installed by scripts of their own are not there on most machines.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(@tensorflow/tfjs-(node|backend-webgpu)|webgpu)$' },
    },
    {
      name: 'contracts-import-nothing-of-ours',
      severity: 'error',
      from: { path: shared('contracts') },
      to: { path: '^(services/|shared/(?!contracts/))' },
    },
    {
      name: 'ports-import-only-contracts',
      severity: 'error',
      from: { path: shared('ports') },
      to: { path: '^(services/|shared/(?!contracts/|ports/))' },
    },
    {
      name: 'core-names-no-adapter',
      severity: 'error',
      from: { path: shared('engine|gpt2|observability|identity|limits|resilience|safety'), pathNot: '\\.test\\.ts$' },
      to: { path: '^(services/|shared/adapters/)' },
    },
    {
      name: 'shared-never-imports-services',
      severity: 'error',
      from: { path: '^shared/', pathNot: '\\.test\\.ts$' },
      to: { path: '^services/' },
    },
    {
      name: 'engine-never-imports-tfjs',
      severity: 'error',
      from: { path: shared('engine'), pathNot: '\\.test\\.ts$' },
      to: { path: '(@tensorflow|shared/gpt2/src/(tfjs|backends/tfjs))' },
    },
    {
      name: 'gateway-never-imports-tfjs',
      severity: 'error',
      from: { path: '^services/gateway/', pathNot: '(\\.test\\.ts$|/testing/)' },
      to: { path: '(@tensorflow|shared/gpt2/src/(tfjs|backends/tfjs))' },
    },
    {
      name: 'services-never-import-each-other',
      severity: 'error',
      from: { path: '^services/(?!inkwell/)([^/]+)/', pathNot: '(\\.test\\.ts$|/testing/)' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'only-compose-names-adapters',
      severity: 'error',
      from: { path: '^services/', pathNot: '(/compose[^/]*\\.ts$|\\.test\\.ts$|/testing/)' },
      to: { path: '^shared/adapters/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(assembly|test-data|bundled)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
