// Nothing: the precompiled headers of rein.cmake need a source file to belong to.
