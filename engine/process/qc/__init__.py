"""processQC: what is done with an AB once its products are there.

    stage       which ABs, how many at once                 stage.py
    job         one AB, in this order:                      job.py
      raw screenshots                                       rawdisp.py
      QC procedure                                          procedures/, measure/, external.py
      QCFLAG                                                flag.py
      QC1 values                                            qc1.py
      scores                                                scores.py
      report, plots                                         report.py, plots.py
      coversheet, last                                      coversheet.py
    view        all of it as plain values                   view.py

numpy, astropy and matplotlib live in a process of their own (beside.py, worker.py), never in the engine.
Trouble in QC never fails an AB: it is then not scored, and says so.
"""
