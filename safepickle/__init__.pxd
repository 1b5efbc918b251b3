# Marks a package for Cython, so that modules in it can use each other's C types.
