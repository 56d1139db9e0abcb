"""The algorithmic complexity of weights: from a zoo of models to tables, figures and a page.

The flow is the folder listing::

    zoo -> weights -> binary -> estimators -> measurement -> tables -> statistics -> figures -> report
                        |           ^             ^
                        +-> controls +-------------+      null models: the same values without structure
    study       the one engine of every study: plan, run, resume, isolate, record; each kind of study is one file
    training    the one trainer; momos and quantization make networks simpler, whose weights re-enter at weights
    cli         the command line; bench times us against others

What you may want first::

    import complexity_lab as cl

    cl.bdm(bits)                      # bits; a 1-D or 2-D array of 0/1, numpy or torch
    cl.block_counts(weights)          # BlockCounts from floats in one pass
    cl.block_entropy(bits)            # bits per block
    cl.qubd(weight, bits=8)           # QuBD; bits of every bit plane, least significant first, and their total
    cl.compress(payload, "gzip")      # raw and compressed bytes
    cl.measure(source)                # DataFrame; module, state dict, path, zoo id or hub id
    cl.compare(a, b)                  # DataFrame; two sources, layer by layer
    cl.suggest_bits(source)           # DataFrame; bits per layer from its bit planes
    cl.iid_null(counts)               # what independent bits with the same share of ones would score
    cl.resolution(10**6)              # the smallest bias of signs that so many weights can tell from chance
    cl.layer_perturbation(tensors)    # what a flipped bit of each layer does to BDM; cl.perturbation(bits): each
    cl.open_zoo("timm").cards()       # what can be surveyed
    cl.survey("digits", out="runs/d") # Results; the same as the command
    cl.series("steps/", out="runs/s") # Results; complexity over training
    cl.read_study("study.toml")       # Plan; cl.run_study(plan, directory) does it
    cl.open_results(directory)        # Results of any study: tables and statistics
    cl.draw_figures(results, folder)  # every figure; cl.write_report(results, file) is the page
    cl.MoMos(s=4, capacity=0.01)(net) # Projection; a network's weights onto few motifs, in place
    cl.rac(n=269_722, s=4, k=6743)    # how much shorter such a mosaic can be written
    cl.pack(net, "net.safetensors")   # PackReport; a file that really is smaller, cl.unpack(path) restores it

The names are listed in ``__init__.pyi``, and nothing heavy is imported before it is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
