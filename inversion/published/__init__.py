"""Import of inverters that other programs trained: HyperStyle, pSp, e4e and ReStyle, into our inverters.

No code in a file is run (`gen.published`). The loader of HyperStyle's tensors has a stable path of its own,
`inversion.official`. Our own files of inverters are read by `inversion.inverter_file`.
"""
